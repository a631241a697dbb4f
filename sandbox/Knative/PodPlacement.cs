using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Fluid;

namespace Prewarm.Sandbox.Knative;

/// <summary>
/// The scheduler: the node with the fewest pods, among those that Fluid's webhook asks for by the pod's labels (facts/fluid.md §5). A pod that fits nowhere stays Pending with PodScheduled False,
/// Unschedulable, and is bound as soon as a node fits (kubernetes pkg/scheduler/schedule_one.go, handleSchedulingFailure and bind).
/// </summary>
internal sealed class PodPlacement(IKubeApi api, KnativeOptions options, TimeProvider time)
{
    private const string Inject = "fuse.serverful.fluid.io/inject";
    private int _stray = options.StrayPods;

    /// <returns>The node's name, or null and the scheduler's words.</returns>
    public async Task<(string? Node, string? Problem)> PickAsync(JsonObject revision, CancellationToken cancellationToken)
    {
        var all = (await api.ListAsync(Kinds.Nodes, null, null, cancellationToken)).Items;
        var nodes = all.Where(n => n.Text("spec", "unschedulable") != "true").ToList();
        var pods = (await api.ListAsync(Kinds.Pods, null, RevisionController.RevisionLabel, cancellationToken)).Items;
        var labels = revision.At("metadata", "labels") as JsonObject ?? [];
        var candidates = nodes.OrderBy(n => pods.Count(p => p.Text("spec", "nodeName") == n.Name())).ThenBy(n => n.Name(), StringComparer.Ordinal).ToList();
        if (labels.Text(Inject) == "true" && PredictorPod.Claim(revision) is { } claim
            && await api.GetAsync(Kinds.Datasets, revision.Namespace(), claim.Name, cancellationToken) is { } dataset)
        {
            var label = FluidLabels.Worker(dataset);
            bool Near(JsonObject node) => node.Text("metadata", "labels", label) is not null;
            if (labels.Text($"fluid.io/dataset.{claim.Name}.sched") == "required")
            {
                candidates.RemoveAll(n => !Near(n));
                if (candidates.Count == 0)
                {
                    return (null, Words(all.Count, all.Count - nodes.Count, nodes.Count));
                }
            }
            else if (_stray > 0 && File.Exists(options.StrayFile) && candidates.FindIndex(n => !Near(n)) is >= 0 and var far)
            {
                // A preference is one score among others: on a full cluster another may win.
                _stray--;
                candidates = [candidates[far]];
            }
            else if (candidates.Exists(Near))
            {
                candidates.RemoveAll(n => !Near(n));
            }
        }

        return candidates.Count > 0 ? (candidates[0].Name(), null) : (null, Words(all.Count, all.Count, 0));
    }

    /// <summary>The status of a pod that has no node.</summary>
    public JsonObject Waiting(JsonObject pod, string problem) => new()
    {
        ["phase"] = "Pending",
        ["conditions"] = Json.Array([Json.Condition(pod.At("status", "conditions"), time, "PodScheduled", "False", "Unschedulable", problem)]),
    };

    public Task BindAsync(JsonObject pod, string node, CancellationToken cancellationToken) =>
        api.CreateAsync(new ResourceType<JsonObject>("", "v1", $"pods/{pod.Name()}/binding", "Binding", ClusterJson.Default.JsonObject), pod.Namespace(), new()
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Binding",
            ["metadata"] = new JsonObject { ["name"] = pod.Name(), ["namespace"] = pod.Namespace() },
            ["target"] = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Node", ["name"] = node },
        }, cancellationToken);

    /// <summary>As kube-scheduler puts it (pkg/scheduler/framework/types.go, FitError).</summary>
    private static string Words(int all, int cordoned, int unmatched)
    {
        string?[] reasons = [unmatched > 0 ? $"{unmatched} node(s) didn't match Pod's node affinity/selector" : null, cordoned > 0 ? $"{cordoned} node(s) were unschedulable" : null];
        return $"0/{all} nodes are available: {string.Join(", ", reasons.Where(r => r is not null))}.";
    }
}
