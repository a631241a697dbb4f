using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>All that the watches know of one Revision of one model at a moment.</summary>
internal sealed record ModelFacts(CachedModel Model)
{
    public PodAutoscaler? Autoscaler { get; init; }

    /// <summary>The version that the Revision serves.</summary>
    public VersionStatus? Version { get; init; }
    public Dataset? Dataset { get; init; }
    public JindoRuntime? Runtime { get; init; }

    /// <summary>DataLoads of the version's Dataset.</summary>
    public IReadOnlyList<DataLoad> Loads { get; init; } = [];

    /// <summary>Nodes with a cache worker of the Dataset; null: nodes cannot be listed.</summary>
    public IReadOnlyList<string>? WorkerNodes { get; init; }

    /// <summary>Nodes that take pods; null as above.</summary>
    public IReadOnlyList<string>? OpenNodes { get; init; }

    /// <summary>Cache worker pods of the Dataset; empty where pods are not watched.</summary>
    public IReadOnlyList<Pod> WorkerPods { get; init; } = [];

    /// <summary>The Revision's pods.</summary>
    public IReadOnlyList<Pod> Pods { get; init; } = [];

    /// <summary>Whether Datasets, JindoRuntimes and DataLoads have been listed: before that a missing one means nothing.</summary>
    public bool CacheSeen { get; init; }

    public bool Serverless => Model.Spec?.Serving.Platform == "ACKServerless";

    /// <summary>The verdict for the Revision's pods, or for a pod that would start now when none is bound to a node.</summary>
    public LocalityVerdict Locality(DateTimeOffset now) => ReadProof.Apply(ByBytes(now), this, Bound() is { Length: > 0 } pods ? pods : WorkerNodes ?? []);

    /// <summary>The same by byte accounting alone.</summary>
    public LocalityVerdict ByBytes(DateTimeOffset now)
    {
        if (Version is null)
        {
            return new(Warm.Locality.Unknown, "NoVersion") { Message = "no version of this model is known to be served by the Revision" };
        }

        if (!CacheSeen)
        {
            return new(Warm.Locality.Unknown, "NotWatched") { Message = "the cache's objects have not been listed yet" };
        }

        var warmth = VersionWarmth.Of(Model, Version, Dataset, Runtime, Loads.FirstOrDefault(l => l.Metadata.Name == Version.DataLoad));
        var pods = Bound();
        // Without affinity a pod may be bound to any node.
        var free = Model.Spec?.Serving.Affinity == "off" ? OpenNodes : null;
        var verdict = LocalityVerdict.Of(warmth, WarmObjects.Copies(Model, Version), WorkerNodes, pods.Length > 0 ? pods : free ?? [], Serverless, pods.Length > 0)
            .Because(WorkerRestart.Latest(WorkerPods), Version.LoadedAt, now);
        return pods.Length == 0 && OpenNodes is { } open && WorkerNodes is { } workers && !workers.Any(open.Contains) ? verdict.OnClosed(workers) : verdict;
    }

    private string[] Bound() => [.. Pods.Where(p => p.Metadata.DeletionTimestamp is null).Select(p => p.Spec?.NodeName).OfType<string>().Distinct(StringComparer.Ordinal)];

    /// <summary>The same as the relay sees it.</summary>
    public ModelScale Scale(DateTimeOffset now)
    {
        if (Autoscaler is null)
        {
            return ModelScale.Unseen with { Locality = Locality(now) };
        }

        var signal = ScaleSignal.Of(Autoscaler);
        return new(signal.Level, signal.ReadyPods, ServedVersion.Revision(Autoscaler.Metadata), Locality(now)) { Since = signal.Since };
    }
}
