using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>Whether a woken pod that is far from the cache is placed anew. Pure.</summary>
internal static class PodMove
{
    /// <summary>
    /// The pod to delete; null: none. Only by policy (<c>cache.onRemote: Move</c>), where affinity places pods, where a node with a cache worker takes pods, and before a container of the pod
    /// runs: what has begun to load is sooner ready than another.
    /// </summary>
    public static Pod? Of(ModelFacts facts, LocalityVerdict verdict) =>
        verdict.Reason == "PodWithoutWorker" && facts.Model.Spec is { Cache.OnRemote: "Move", Serving.Affinity: not "off" } && !facts.Serverless
            && facts.WorkerNodes is { } workers && workers.Any(w => facts.OpenNodes?.Contains(w) == true)
            && facts.Pods.Where(p => p.Metadata.DeletionTimestamp is null).ToList() is [{ Spec.NodeName: { } node } pod]
            && !workers.Contains(node) && pod.Status?.ContainerStatuses?.Exists(c => c.State?.Running is not null || c.LastState is not null) != true
            ? pod : null;
}
