using System.Collections.Concurrent;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>Arrivals in memory: a replaced process begins with none.</summary>
internal sealed class Arrivals : IArrivals
{
    /// <summary>Minutes with arrivals that are remembered of one model.</summary>
    public const int Remembered = 512;

    private readonly ConcurrentDictionary<ModelKey, Known> _all = new();
    private long _until = long.MaxValue;

    public void Add(ModelKey model, ArrivalMinute minute)
    {
        var own = _all.GetOrAdd(model, static _ => new());
        lock (own)
        {
            own.Told[minute.At] = own.Told.TryGetValue(minute.At, out var there) ? there.With(minute) : minute;
            if (own.Told.Count > Remembered)
            {
                own.Told.RemoveAt(0);
            }
        }
    }

    public void See(ModelKey model, long minute, int count, int calls = int.MaxValue)
    {
        var own = _all.GetOrAdd(model, static _ => new());
        lock (own)
        {
            var there = own.Seen.GetValueOrDefault(minute);
            own.Seen[minute] = (Math.Max(there.Count, count), Math.Max(there.Calls, calls));
            if (own.Seen.Count > Remembered)
            {
                own.Seen.RemoveAt(0);
            }
        }
    }

    public void SeenUntil(long minute) => Interlocked.Exchange(ref _until, minute);

    public IReadOnlyList<ArrivalMinute> Recent(ModelKey model)
    {
        if (!_all.TryGetValue(model, out var own))
        {
            return [];
        }

        lock (own)
        {
            return own.Seen.Count == 0 ? [.. own.Told.Values.Where(m => m.Count > 0)]
                : [.. DirectCalls.Join(model, own.Told, own.Seen, own.Told.Count < Remembered ? long.MinValue : own.Told.Keys[0], Interlocked.Read(ref _until)).Where(m => m.Count > 0).TakeLast(Remembered)];
        }
    }

    public void Keep(IReadOnlySet<ModelKey> models)
    {
        foreach (var gone in _all.Keys.Where(k => !models.Contains(k)))
        {
            _all.TryRemove(gone, out _);
        }
    }

    /// <summary>Pure: how long nobody asked between two sessions, seconds. Arrivals closer than <paramref name="session"/> belong together.</summary>
    public static IReadOnlyList<double> SessionGaps(IReadOnlyList<ArrivalMinute> minutes, double session = ServiceMemory.SessionGap) =>
        [.. minutes.Zip(minutes.Skip(1), (before, after) => after.FirstAt - before.LastAt).Where(g => g > session)];

    /// <summary>By minute: what relays told, and what was counted elsewhere.</summary>
    private sealed class Known
    {
        public SortedList<long, ArrivalMinute> Told { get; } = [];
        public SortedList<long, (int Count, int Calls)> Seen { get; } = [];
    }
}
