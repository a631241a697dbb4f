namespace Prewarm.Sandbox.ObjectStore;

/// <summary>One link of a fixed rate for all readers together: a token bucket that hands out its time slots in the order of asking.</summary>
internal sealed class SharedLink(long bytesPerSecond, TimeProvider time)
{
    // A timer that fires late must not cost rate: so much of the past may still be used.
    private static readonly TimeSpan Credit = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(2);
    private readonly Lock _lock = new();
    private DateTimeOffset _free;

    /// <value>Bytes per second; 0 = no limit.</value>
    public long BytesPerSecond { get; set; } = bytesPerSecond;

    /// <summary>Waits until these bytes have passed.</summary>
    public Task Pass(int bytes, CancellationToken ct)
    {
        var rate = BytesPerSecond;
        if (rate <= 0)
        {
            return Task.CompletedTask;
        }

        TimeSpan wait;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            _free = (_free > now - Credit ? _free : now) + TimeSpan.FromSeconds((double)bytes / rate);
            wait = _free - now;
        }

        return wait < Shortest ? Task.CompletedTask : Task.Delay(wait, time, ct);
    }
}
