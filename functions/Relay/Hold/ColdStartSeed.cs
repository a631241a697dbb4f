using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Relay;

/// <summary>
/// What the CachedModel's status tells of an earlier cold start (status.activation), for a relay that has measured none. It says nothing
/// 1. of a wake that failed or goes on, or of another version;
/// 2. when the bytes are nearer now than they were then: the next start may be far quicker, and whoever could have waited for it must not be turned away.
/// </summary>
internal static class ColdStartSeed
{
    public static TimeSpan? Of(CachedModel model, Locality now)
    {
        // 1
        if (model.Status?.Activation is not { Phase: "Ready", Version: { } version } last || version != model.Status.Version)
        {
            return null;
        }

        // 2
        var near = Enum.TryParse<Locality>(last.Verdict, out var then) && then is Locality.Local or Locality.Spread;
        return (near || now is not (Locality.Local or Locality.Spread)) && last.Phases?.Find(p => p.Name == "total")?.Seconds is > 0 and < 86_400 and var seconds ? TimeSpan.FromSeconds(seconds) : null;
    }
}
