using System.Runtime.InteropServices;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>What the models of each namespace have cost this UTC day together, added up once a tick.</summary>
internal sealed class DaySpending
{
    private readonly Dictionary<string, DayCost> _spent = new(StringComparer.Ordinal);
    private readonly DateTimeOffset _now;

    public DaySpending(IEnumerable<KeyValuePair<ModelKey, PrewarmStatus>> told, DateTimeOffset now)
    {
        _now = now;
        foreach (var (key, status) in told)
        {
            Replace(key, null, status);
        }
    }

    /// <summary>Of the namespace's other models.</summary>
    /// <param name="own">The model's status as it was taken here last.</param>
    public DayCost Others(ModelKey key, PrewarmStatus own) => _spent.GetValueOrDefault(key.Namespace) - Of(own);

    /// <summary>A model's status has changed.</summary>
    public void Replace(ModelKey key, PrewarmStatus? before, PrewarmStatus after) =>
        _spent[key.Namespace] = _spent.GetValueOrDefault(key.Namespace) - (before is null ? default : Of(before)) + Of(after);

    private DayCost Of(PrewarmStatus status)
    {
        var today = status.Today(_now);
        return new(today.PodSeconds, today.CacheGbSeconds ?? 0, CacheCharge.Used(status, _now));
    }
}

/// <param name="Pods">Pod-seconds.</param>
/// <param name="Caches">GB-seconds, with what is paid ahead.</param>
/// <param name="Used">GB-seconds that are over.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct DayCost(double Pods, double Caches, double Used)
{
    public static DayCost operator +(DayCost one, DayCost other) => new(one.Pods + other.Pods, one.Caches + other.Caches, one.Used + other.Used);

    public static DayCost operator -(DayCost one, DayCost other) => new(one.Pods - other.Pods, one.Caches - other.Caches, one.Used - other.Used);
}
