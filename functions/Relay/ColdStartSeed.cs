using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>
/// What the CachedModel's status tells of an earlier cold start, for a relay that has measured none: nothing yet, because nobody writes status.activation.
/// Until then such a relay refuses nobody for being too late.
/// </summary>
internal static class ColdStartSeed
{
    public static TimeSpan? Of(CachedModel model) => null;
}
