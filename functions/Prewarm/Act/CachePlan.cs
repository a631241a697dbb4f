using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>What becomes of a cache.</summary>
internal enum CacheVerdict
{
    /// <summary>Not there, and it is not wanted or not worth its room.</summary>
    Away,

    /// <summary>Not there and to be taken back, as soon as those that go have gone.</summary>
    Waits,
    Comes,
    Stays,

    /// <summary>There, but the model's own plan does not ask for it.</summary>
    Idle,

    /// <summary>There, but there is no room for it, and others are worth more.</summary>
    Evicted,
}

/// <summary>One model's cache, before it is decided which stay.</summary>
/// <param name="Gigabytes">All copies of the version that serves, 10^9 bytes.</param>
internal sealed record CacheClaim(ModelKey Model, double Gigabytes)
{
    /// <summary>GB of its other versions, on their way or kept for a way back: not up for choice.</summary>
    public double Beside { get; init; }

    /// <summary>It has its workers.</summary>
    public bool Here { get; init; }

    /// <summary>Let go a moment ago: its workers may still be there.</summary>
    public bool Leaving { get; init; }

    /// <summary>The model's own plan and budget ask for it.</summary>
    public bool Wanted { get; init; }

    /// <summary>Pods read from it now, or a person has said hands off: it is never taken.</summary>
    public bool Bound { get; init; }

    /// <summary>It came a moment ago: what was just loaded is not let go for what is worth a little more.</summary>
    public bool Fresh { get; init; }

    /// <summary>A window that a person gave, or pods held now.</summary>
    public bool Certain { get; init; }

    /// <summary>That it is called soon, 0 to 1.</summary>
    public double Chance { get; init; }

    /// <summary>Seconds that a read from remote takes.</summary>
    public double ReadSeconds { get; init; }

    /// <summary>Expected seconds of reading that a GB of it saves.</summary>
    public double Worth => Gigabytes <= 0 ? double.MaxValue : (Certain ? 1 : Chance) * ReadSeconds / Gigabytes;
}

/// <summary>GB that caches may take.</summary>
/// <param name="Everywhere">Null: no limit.</param>
internal sealed record CacheLimits(double? Everywhere, IReadOnlyDictionary<string, double> Namespaces)
{
    /// <summary>Whether caches of a namespace have a limit.</summary>
    public bool Bind(string ns) => Everywhere is not null || Namespaces.ContainsKey(ns);
}

/// <summary>
/// Which caches stay where there is not room for all, pure: 1. what serves pods, and versions on their way, are there whatever they are worth; 2. then what is worth most per GB, until the rest does not fit: chance of a
/// call soon × seconds of reading it saves ÷ its GB; 3. what is there already, or certain, counts <see cref="Lead"/> times, and what came a moment ago goes before all of these, so that two caches do not take turns;
/// 4. what comes waits until what goes has gone.
/// </summary>
internal static class CachePlanner
{
    /// <summary>A cache takes another's place when it is worth so many times as much: it has to be read for that.</summary>
    public const double Lead = 1.5;

    public static Dictionary<ModelKey, CacheVerdict> Plan(IReadOnlyList<CacheClaim> claims, CacheLimits limits)
    {
        var verdicts = new Dictionary<ModelKey, CacheVerdict>(claims.Count);
        var (stay, now) = (new Room(limits), new Room(limits));
        // 1
        foreach (var claim in claims)
        {
            var bound = claim is { Bound: true, Here: true };
            stay.Take(claim.Model.Namespace, claim.Beside + (bound ? claim.Gigabytes : 0));
            now.Take(claim.Model.Namespace, claim.Beside + (claim.Here || claim.Leaving ? claim.Gigabytes : 0));
            verdicts[claim.Model] = bound ? CacheVerdict.Stays : claim.Here ? CacheVerdict.Idle : CacheVerdict.Away;
        }

        // 2, 3
        foreach (var claim in claims.Where(c => c.Wanted && verdicts[c.Model] != CacheVerdict.Stays)
            .OrderBy(c => !(c.Fresh && c.Here)).ThenByDescending(c => c.Worth * (c.Here || c.Certain ? Lead : 1)).ThenBy(c => $"{c.Model}", StringComparer.Ordinal))
        {
            if (!stay.Fits(claim.Model.Namespace, claim.Gigabytes))
            {
                verdicts[claim.Model] = claim.Here ? CacheVerdict.Evicted : CacheVerdict.Away;
                continue;
            }

            stay.Take(claim.Model.Namespace, claim.Gigabytes);
            if (claim.Here)
            {
                verdicts[claim.Model] = CacheVerdict.Stays;
                continue;
            }

            // 4
            var comes = claim.Leaving || now.Fits(claim.Model.Namespace, claim.Gigabytes);
            verdicts[claim.Model] = comes ? CacheVerdict.Comes : CacheVerdict.Waits;
            now.Take(claim.Model.Namespace, comes && !claim.Leaving ? claim.Gigabytes : 0);
        }

        return verdicts;
    }

    private sealed class Room(CacheLimits limits)
    {
        // What was computed as 3.0000000001 fits into 3.
        private const double Rounding = 1e-6;
        private readonly Dictionary<string, double> _used = new(StringComparer.Ordinal);
        private double _all;

        public bool Fits(string ns, double gigabytes) => !(_all + gigabytes > limits.Everywhere + Rounding)
            && (!limits.Namespaces.TryGetValue(ns, out var most) || _used.GetValueOrDefault(ns) + gigabytes <= most + Rounding);

        public void Take(string ns, double gigabytes)
        {
            _all += gigabytes;
            _used[ns] = _used.GetValueOrDefault(ns) + gigabytes;
        }
    }
}
