using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Relay;

/// <summary>What a wake does about the cache before it is sent; pure.</summary>
/// <param name="Wait">How much longer the wake may wait for the cache; null: it goes now.</param>
/// <param name="Ask">A load should be asked for.</param>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct LocalityRule(TimeSpan? Wait, bool Ask)
{
    /// <summary>
    /// 1. near enough, not known, or not asked about: go; 2. prefer: ask for a load and go; 3. require: ask, and wait for the verdict to turn up to the limit, after which remote reads are accepted.
    /// Unknown is no reason to wait: a watch that is cut off must not cost every cold start the limit.
    /// </summary>
    /// <param name="waited">Since the wake was wanted.</param>
    public static LocalityRule Of(CacheSpec? cache, LocalityVerdict verdict, TimeSpan waited)
    {
        var policy = cache?.Locality ?? "prefer";
        // 1
        if (policy == "ignore" || verdict.Locality is Locality.Local or Locality.Spread or Locality.Unknown || verdict is { Locality: Locality.Remote, Reason: "EciSidecar" })
        {
            return default;
        }

        // A cache that is full but elsewhere gains nothing from a load.
        var ask = verdict.Locality is Locality.Cold or Locality.Partial;
        // 2
        if (policy != "require")
        {
            return new(null, ask);
        }

        // 3
        var left = TimeSpan.FromSeconds(cache?.LocalityTimeoutSeconds ?? 0) - waited;
        return left > TimeSpan.Zero ? new(left, ask) : new(null, false);
    }
}
