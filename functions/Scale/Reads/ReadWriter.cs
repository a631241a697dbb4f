using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale.Reads;

/// <summary>Writes <c>status.reads</c>, on what was read of it: of two replicas that write at once one conflicts, and comes again while the Job is there.</summary>
internal sealed class ReadWriter(IKubeApi api)
{
    /// <summary>Adds what has been read; what is of no version any more is dropped.</summary>
    /// <exception cref="KubeApiException">Among others a conflict.</exception>
    public async Task WriteAsync(CachedModel model, IReadOnlyCollection<ReadStatus> added, CancellationToken cancellationToken)
    {
        if (await api.GetAsync(ReadKinds.Models, model.Metadata.Namespace, model.Metadata.Name!, cancellationToken) is not { } there)
        {
            return;
        }

        var digests = (model.Status?.Versions ?? []).Select(v => v.Digest).ToHashSet(StringComparer.Ordinal);
        var reads = (there.Status?.Reads ?? []).Where(r => digests.Contains(r.Digest) && !added.Any(a => a.Node == r.Node && a.Digest == r.Digest)).Concat(added)
            .OrderBy(r => r.Digest, StringComparer.Ordinal).ThenBy(r => r.Node, StringComparer.Ordinal).ToList();
        await api.ApplyPartAsync(ReadKinds.Models, model.Key(), new() { Reads = reads }, there.Metadata.ResourceVersion, ReadKinds.Manager, cancellationToken);
    }
}
