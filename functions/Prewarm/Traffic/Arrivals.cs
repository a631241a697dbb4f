using System.Collections.Concurrent;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>Arrivals in memory: a replaced process begins with none.</summary>
internal sealed class Arrivals : IArrivals
{
    /// <summary>Minutes with arrivals that are remembered of one model.</summary>
    public const int Remembered = 512;

    private readonly ConcurrentDictionary<ModelKey, SortedList<long, ArrivalMinute>> _all = new();

    public void Add(ModelKey model, ArrivalMinute minute)
    {
        var own = _all.GetOrAdd(model, static _ => []);
        lock (own)
        {
            own[minute.At] = own.TryGetValue(minute.At, out var there) ? there.With(minute) : minute;
            if (own.Count > Remembered)
            {
                own.RemoveAt(0);
            }
        }
    }

    public IReadOnlyList<ArrivalMinute> Recent(ModelKey model)
    {
        if (!_all.TryGetValue(model, out var own))
        {
            return [];
        }

        lock (own)
        {
            return [.. own.Values.Where(m => m.Count > 0)];
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
}
