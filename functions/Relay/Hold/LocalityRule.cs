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
    /// 1. near enough, not known, or not required: go; the pod's own read fills the cache, and a load beside it would share its link;
    /// 2. require: ask for a load, and wait for the verdict to turn up to the limit, after which remote reads are accepted.
    /// Unknown is no reason to wait: a watch that is cut off must not cost every cold start the limit.
    /// </summary>
    /// <param name="waited">Since the wake was wanted.</param>
    public static LocalityRule Of(CacheSpec? cache, LocalityVerdict verdict, TimeSpan waited)
    {
        // 1
        if (cache?.Locality != "require" || verdict.Locality is Locality.Local or Locality.Spread or Locality.Unknown || verdict is { Locality: Locality.Remote, Reason: "EciSidecar" })
        {
            return default;
        }

        // 2: a cache that is full but elsewhere gains nothing from a load.
        var left = TimeSpan.FromSeconds(cache.LocalityTimeoutSeconds) - waited;
        return left > TimeSpan.Zero ? new(left, verdict.Locality is Locality.Cold or Locality.Partial) : default;
    }
}
