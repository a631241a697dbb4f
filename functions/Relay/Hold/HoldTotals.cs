namespace Prewarm.Functions.Relay;

/// <summary>What all models' holds of this process have together.</summary>
internal sealed class HoldTotals
{
    private int _count;
    private long _bytes;
    private volatile bool _ending;

    public int Count => Volatile.Read(ref _count);

    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>The process ends: nobody is held any more.</summary>
    public bool Ending
    {
        get => _ending;
        set => _ending = value;
    }

    /// <summary>Takes one more, or says why not.</summary>
    public string? TryAdd(int ofModel, long bytes, RelayOptions limits)
    {
        // Two models at once may pass a limit by one each: a bound on memory does not need more.
        if (HoldPlanner.Full(ofModel, Count, Bytes, bytes, limits) is { } full)
        {
            return full;
        }

        Add(bytes);
        return null;
    }

    public void Add(long bytes)
    {
        Interlocked.Increment(ref _count);
        Interlocked.Add(ref _bytes, bytes);
    }

    public void Remove(long bytes)
    {
        Interlocked.Decrement(ref _count);
        Interlocked.Add(ref _bytes, -bytes);
    }
}
