namespace Prewarm.Functions.Upload;

/// <summary>The time between two listings of one prefix, whoever asks for them and with whatever keys.</summary>
internal sealed class ListingPace
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private DateTimeOffset? _next;

    /// <summary>Takes the next free time; returns how long it is until then.</summary>
    public TimeSpan Take(DateTimeOffset now)
    {
        lock (_lock)
        {
            // A clock that was set back must not hold anybody up for longer than the interval.
            var at = _next is { } next && next > now && next - now <= Interval ? next : now;
            _next = at + Interval;
            return at - now;
        }
    }
}

/// <summary>What broke off, and during what.</summary>
internal sealed record StoreError(Exception Exception, string Doing);

/// <summary>
/// Shares listings of one prefix: whoever asks before a listing has begun gets that one, whoever asks while it runs gets the next, because it may have passed
/// what the asker knows of; and never more than one in <see cref="ListingPace.Interval"/>.
/// </summary>
internal sealed class ListingGate(ListingPace pace, PrefixLister lister, ObjectStoreOptions options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Task<(PrefixListing?, StoreError?)>? _pending;
    private Task _running = Task.CompletedTask;
    private TimeSpan? _stale;

    /// <param name="stale">Of an upload that is open for longer than this, the newest part's time is asked for.</param>
    public Task<(PrefixListing? Listing, StoreError? Error)> ListAsync(TimeSpan stale, CancellationToken cancellationToken)
    {
        Task<(PrefixListing?, StoreError?)> listing;
        lock (_lock)
        {
            _stale = _stale < stale ? _stale : stale;
            listing = _pending ??= NextAsync(_running);
        }

        return listing.WaitAsync(cancellationToken);
    }

    private async Task<(PrefixListing?, StoreError?)> NextAsync(Task running)
    {
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        if (pace.Take(time.GetUtcNow()) is var wait && wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, time, CancellationToken.None);
        }

        TimeSpan stale;
        Task own;
        lock (_lock)
        {
            _running = own = _pending!;
            _pending = null;
            (stale, _stale) = (_stale!.Value, null);
        }

        try
        {
            // Shared by several callers: no caller's token but this limit ends it.
            using var limit = new CancellationTokenSource(options.ListingLimit, time);
            return await lister.ListAsync(stale, time.GetUtcNow(), limit.Token);
        }
        finally
        {
            lock (_lock)
            {
                // A task that is over would keep its listing, ten thousand objects perhaps, until the next one.
                _running = _running == own ? Task.CompletedTask : _running;
            }
        }
    }
}
