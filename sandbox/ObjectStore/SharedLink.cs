namespace Prewarm.Sandbox.ObjectStore;

/// <summary>One link of a fixed rate for all readers together: a token bucket that hands out its time slots in the order of asking.</summary>
internal sealed class SharedLink(long bytesPerSecond, TimeProvider time)
{
    private readonly Lock _lock = new();
    private DateTimeOffset _free;

    /// <value>Bytes per second; 0 = no limit.</value>
    public long BytesPerSecond { get; set; } = bytesPerSecond;

    /// <summary>Waits until these bytes have passed.</summary>
    public Task Pass(int bytes, CancellationToken ct)
    {
        if (BytesPerSecond <= 0)
        {
            return Task.CompletedTask;
        }

        TimeSpan wait;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            _free = (_free > now ? _free : now) + TimeSpan.FromSeconds((double)bytes / BytesPerSecond);
            wait = _free - now;
        }

        return Task.Delay(wait, time, ct);
    }
}
