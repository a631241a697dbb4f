using System.Globalization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>Which version of a model a Revision's PodAutoscaler starts, and which Revision takes the traffic.</summary>
internal static class ServedVersion
{
    /// <summary>The version by what is most certain first: digest, STORAGE_URI's Dataset, Revision name, version label. Null: none of this model's.</summary>
    /// <param name="meta">Labels and annotations of the Revision, which Knative copies to its PodAutoscaler and pods.</param>
    public static VersionStatus? Of(CachedModel model, ObjectMeta meta)
    {
        var versions = model.Status?.Versions ?? [];
        var digest = meta.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation);
        if (digest is not null)
        {
            return versions.FindLast(v => v.Digest == digest);
        }

        var dataset = meta.Annotations?.GetValueOrDefault(ScaleKinds.StorageAnnotation) is { } uri && uri.StartsWith("pvc://", StringComparison.Ordinal)
            ? uri["pvc://".Length..].Split('/')[0]
            : null;
        var revision = Revision(meta);
        var label = meta.Labels?.GetValueOrDefault(Ownership.VersionLabel);
        return (dataset is null ? null : versions.FindLast(v => v.Dataset == dataset))
            ?? versions.FindLast(v => v.Revision is not null && v.Revision == revision)
            ?? (label is null ? null : versions.FindLast(v => Ownership.LabelValue(v.Name) == label));
    }

    /// <summary>The one that takes the traffic: the served version's Revision, else (nothing has taken traffic yet) the newest.</summary>
    public static PodAutoscaler? Choose(CachedModel model, IReadOnlyCollection<PodAutoscaler> autoscalers)
    {
        var serving = model.Status?.Versions?.FindLast(v => v.State == "Serving");
        return autoscalers.FirstOrDefault(a => serving?.Revision is { } revision && Revision(a.Metadata) == revision)
            ?? autoscalers.MaxBy(a => Generation(a.Metadata));
    }

    public static string? Revision(ObjectMeta meta) => meta.Labels?.GetValueOrDefault(ScaleKinds.RevisionLabel) ?? meta.Name;

    private static int Generation(ObjectMeta meta) =>
        int.TryParse(meta.Labels?.GetValueOrDefault(ScaleKinds.GenerationLabel), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
