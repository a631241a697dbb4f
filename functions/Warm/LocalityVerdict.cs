namespace Prewarm.Functions.Warm;

internal enum Locality { Unknown, Cold, Partial, Remote, Spread, Local }

/// <summary>Whether what a pod reads lies on its own node, and why that is believed.</summary>
internal sealed record LocalityVerdict(Locality Locality, string Reason)
{
    /// <param name="copies">Copies of each file asked for.</param>
    /// <param name="workers">Nodes with a cache worker; null: they could not be listed.</param>
    /// <param name="pods">Nodes with a predictor pod; empty: scaled to zero, judged by where a pod would be placed.</param>
    /// <param name="sidecar">ECI: the pod has no node of ours, every read crosses the network.</param>
    public static LocalityVerdict Of(WarmthVerdict warmth, int copies, IReadOnlyCollection<string>? workers, IReadOnlyCollection<string> pods, bool sidecar)
    {
        switch (warmth.Warmth)
        {
            case Warmth.Unknown:
                return new(Locality.Unknown, warmth.Reason);
            case Warmth.Cold:
                return new(Locality.Cold, warmth.Reason);
            case Warmth.Partial:
                return new(Locality.Partial, warmth.Reason);
        }

        if (sidecar)
        {
            return new(Locality.Remote, "EciSidecar");
        }

        if (workers is null)
        {
            return new(Locality.Unknown, "NodesUnseen");
        }

        if (workers.Count == 0)
        {
            return new(Locality.Remote, "NoWorkerNode");
        }

        if (pods.Any(p => !workers.Contains(p)))
        {
            return new(Locality.Remote, "PodWithoutWorker");
        }

        return copies >= workers.Count ? new(Locality.Local, "CopyOnEveryWorker") : new(Locality.Spread, "FewerCopiesThanWorkers");
    }
}
