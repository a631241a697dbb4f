using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Fluid;

namespace Prewarm.Sandbox.Knative;

/// <summary>The scheduler: the node with the fewest pods, among those that Fluid's webhook asks for by the pod's labels (facts/fluid.md §5).</summary>
internal sealed class PodPlacement(IKubeApi api)
{
    private const string Inject = "fuse.serverful.fluid.io/inject";

    /// <returns>The node's name, or null and the scheduler's words.</returns>
    public async Task<(string? Node, string? Problem)> PickAsync(JsonObject revision, CancellationToken cancellationToken)
    {
        var nodes = (await api.ListAsync(Kinds.Nodes, null, null, cancellationToken)).Items.Where(n => n.Text("spec", "unschedulable") != "true").ToList();
        var pods = (await api.ListAsync(Kinds.Pods, null, RevisionController.RevisionLabel, cancellationToken)).Items;
        var labels = revision.At("metadata", "labels") as JsonObject ?? [];
        var candidates = nodes.OrderBy(n => pods.Count(p => p.Text("spec", "nodeName") == n.Name())).ThenBy(n => n.Name(), StringComparer.Ordinal).ToList();
        if (labels.Text(Inject) == "true" && PredictorPod.Claim(revision) is { } claim
            && await api.GetAsync(Kinds.Datasets, revision.Namespace(), claim.Name, cancellationToken) is { } dataset)
        {
            var label = FluidLabels.Worker(dataset);
            var near = candidates.Where(n => n.Text("metadata", "labels", label) is not null).ToList();
            if (labels.Text($"fluid.io/dataset.{claim.Name}.sched") == "required" && near.Count == 0)
            {
                return (null, $"0/{nodes.Count} nodes are available: {nodes.Count} node(s) didn't match Pod's node affinity/selector.");
            }

            candidates = near.Count > 0 ? near : candidates;
        }

        return candidates.Count > 0 ? (candidates[0].Name(), null) : (null, "0/0 nodes are available.");
    }
}
