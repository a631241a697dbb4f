using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale.Reads;

/// <summary>What reads on the nodes make of a verdict that rests on byte accounting.</summary>
internal static class ReadProof
{
    /// <param name="verdict">Local or Spread; others are given back as they are.</param>
    /// <param name="nodes">Where the pod is, or may be placed.</param>
    public static LocalityVerdict Apply(LocalityVerdict verdict, ModelFacts facts, IReadOnlyCollection<string> nodes)
    {
        if (verdict.Locality is not (Locality.Local or Locality.Spread) || facts.Model.Spec?.Cache.Verify != ReadPlan.Wanted || facts.Version is not { LoadedAt: { } loaded } version)
        {
            return verdict;
        }

        var reads = nodes.Order(StringComparer.Ordinal).Select(n => (Node: n, Read: ReadPlan.Read(facts.Model, version, n, ReadPlan.Since(facts, n, loaded)))).ToList();
        if (reads.Find(r => r.Read?.Result == "Failed").Read is { } failed)
        {
            return new(Locality.Unknown, "ReadFailed") { Message = $"the workers hold the bytes, but reading them failed: {failed.Message}" };
        }

        if (reads.Find(r => r.Read?.Result == "Slow").Read is { } slow)
        {
            return new(Locality.Remote, "ReadTooSlow") { Message = $"the workers hold the bytes, but a read came too slowly to be from them: {slow.Message}" };
        }

        string[] unread = [.. reads.Where(r => r.Read is null).Select(r => r.Node)];
        return verdict with
        {
            Message = unread.Length > 0 ? $"{verdict.Message}; not read yet on {string.Join(", ", unread)}" : $"{verdict.Message}; read: {string.Join(", ", reads.Select(r => r.Read!.Message))}",
        };
    }
}
