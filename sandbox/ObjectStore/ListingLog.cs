using System.Collections.Concurrent;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>When somebody began to list which prefix: the last of them, counted where they come in. The further pages of a listing are no listings of their own.</summary>
internal sealed class ListingLog(TimeProvider time)
{
    private const int Kept = 10_000;
    private readonly ConcurrentQueue<(string Bucket, string Prefix, DateTimeOffset At)> _all = new();

    public void Add(string bucket, string prefix)
    {
        _all.Enqueue((bucket, prefix, time.GetUtcNow()));
        if (_all.Count > Kept)
        {
            _all.TryDequeue(out _);
        }
    }

    public IReadOnlyList<DateTimeOffset> Of(string bucket, string prefix) => [.. _all.Where(l => l.Bucket == bucket && l.Prefix == prefix).Select(l => l.At)];
}
