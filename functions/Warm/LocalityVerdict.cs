using System.Globalization;

namespace Prewarm.Functions.Warm;

internal enum Locality { Unknown, Cold, Partial, Remote, Spread, Local }

/// <summary>Whether what a pod reads lies on its own node, and why that is believed.</summary>
/// <param name="Reason">CamelCase, for machines.</param>
internal sealed record LocalityVerdict(Locality Locality, string Reason)
{
    /// <summary>For a person.</summary>
    public string Message { get; init; } = Reason;

    /// <summary>Cached bytes over those wanted, where fewer are cached; null where that is not the point.</summary>
    private (double Cached, double Wanted)? Missing { get; init; }

    /// <param name="copies">Copies of each file asked for.</param>
    /// <param name="workers">Nodes with a cache worker; null: they could not be listed.</param>
    /// <param name="pods">Nodes with a predictor pod, or that one may be bound to; empty: scaled to zero, judged by where a pod would be placed.</param>
    /// <param name="sidecar">ECI: the pod has no node of ours, every read crosses the network.</param>
    /// <param name="bound">False: <paramref name="pods"/> are only where a pod may go.</param>
    public static LocalityVerdict Of(
        WarmthVerdict warmth, int copies, IReadOnlyCollection<string>? workers, IReadOnlyCollection<string> pods, bool sidecar, bool bound = true)
    {
        switch (warmth.Warmth)
        {
            case Warmth.Unknown:
                return new(Locality.Unknown, warmth.Reason) { Message = warmth.Message };
            case Warmth.Cold:
                return new(Locality.Cold, warmth.Reason) { Message = warmth.Message, Missing = (warmth.CachedBytes, warmth.WantedBytes) };
            case Warmth.Partial:
                return new(Locality.Partial, warmth.Reason) { Message = warmth.Message, Missing = (warmth.CachedBytes, warmth.WantedBytes) };
        }

        if (sidecar)
        {
            return new(Locality.Remote, "EciSidecar") { Message = "ACKServerless: an ECI pod has no node of ours, so node affinity does not apply and every read crosses the network to the cache workers" };
        }

        if (workers is null)
        {
            return new(Locality.Unknown, "NodesUnseen") { Message = "nodes cannot be listed, so it is not known where cache workers are" };
        }

        if (workers.Count == 0)
        {
            return new(Locality.Remote, "NoWorkerNode") { Message = "no node has a cache worker" };
        }

        if (pods.Where(p => !workers.Contains(p)).Order(StringComparer.Ordinal).ToArray() is { Length: > 0 } far)
        {
            var have = $"cache workers are on {List(workers)}";
            return bound
                ? new(Locality.Remote, "PodWithoutWorker") { Message = $"{List(far)} has no cache worker, the bytes come over the network: {have}" }
                : new(Locality.Remote, "PodMayMissWorker") { Message = $"affinity is off and a pod may start on {List(far)}, where no cache worker is: {have}" };
        }

        var where = pods.Count > 0 && bound ? $"the pod's node {List(pods)} has a cache worker" : $"a pod is placed on a node with a cache worker ({List(workers)})";
        return copies >= workers.Count
            ? new(Locality.Local, "CopyOnEveryWorker") { Message = $"{where}, and each worker has a copy: {warmth.Message}" }
            : new(Locality.Spread, "FewerCopiesThanWorkers") { Message = $"{where}, but {copies} copies lie on {workers.Count} workers: part of the bytes come over the network" };
    }

    /// <summary>The same with the cause of what is missing, where a worker restarted after the bytes had been proven.</summary>
    /// <param name="provenAt">When the version was warm; null: never.</param>
    public LocalityVerdict Because(WorkerRestart? restart, DateTimeOffset? provenAt, DateTimeOffset now)
    {
        if (Missing is not var (cached, wanted) || provenAt is not { } proven)
        {
            return this;
        }

        var left = string.Create(CultureInfo.InvariantCulture, $"{(wanted > 0 ? 100 * cached / wanted : 0):0} % of {ByteSize.Format(wanted)} left");
        return restart is null || restart.At <= proven
            ? this with { Reason = Reason == "BytesMissing" ? "Evicted" : Reason, Message = $"evicted: {left}; {Message}" }
            : this with { Reason = "EvictedByWorkerRestart", Message = $"evicted: worker on {restart.Node ?? "an unknown node"} restarted {Ago(now - restart.At)} ago, {left}" };
    }

    /// <summary>The same where no pod is placed yet and none of the nodes with a cache worker takes one.</summary>
    public LocalityVerdict OnClosed(IReadOnlyCollection<string> workers) => Locality is Locality.Local or Locality.Spread
        ? new(Locality.Remote, "NoOpenWorkerNode")
        {
            Message = $"no node with a cache worker takes pods ({List(workers)} cordoned), so a pod starts elsewhere and reads over the network, or waits where affinity is required: kubectl uncordon {workers.Min(StringComparer.Ordinal)}",
        }
        : this;

    private static string List(IEnumerable<string> nodes) => string.Join(", ", nodes.Order(StringComparer.Ordinal));

    private static string Ago(TimeSpan span) => span.TotalSeconds < 120 ? $"{Math.Max(0, (int)span.TotalSeconds)} s"
        : span.TotalMinutes < 120 ? $"{(int)span.TotalMinutes} min"
        : $"{(int)span.TotalHours} h";
}
