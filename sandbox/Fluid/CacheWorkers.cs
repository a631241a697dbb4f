using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>A JindoRuntime's pods, the labels of the nodes its workers run on, and their cache folders. A worker pod that is deleted comes anew, on its node; what it held in an emptyDir is lost.</summary>
internal sealed class CacheWorkers(IKubeApi api, NodeStore nodes)
{
    public const string WorkerRole = "jindofs-worker";

    /// <summary>The nodes that the workers of a runtime run on, in a fixed order that differs between Datasets.</summary>
    public string[] Place(JsonObject dataset, int replicas)
    {
        var first = $"{dataset.Namespace()}/{dataset.Name()}".Aggregate(0, (sum, c) => ((sum * 31) + c) & 0xffff);
        return [.. Enumerable.Range(0, Math.Min(replicas, nodes.Nodes.Count)).Select(i => nodes.Nodes[(first + i) % nodes.Nodes.Count])];
    }

    /// <summary>Makes pods and labels so; a node without a worker keeps no cache.</summary>
    /// <param name="runtime">Null takes all pods away.</param>
    /// <param name="stuck">What keeps the master from starting; null when it runs.</param>
    public async Task EnsureAsync(JsonObject dataset, JsonObject? runtime, string[] workers, string? stuck, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        string[] labels = [FluidLabels.Worker(dataset), FluidLabels.JindoWorker(dataset)];
        foreach (var host in (await api.ListAsync(Kinds.Nodes, null, null, cancellationToken)).Items.Where(h => nodes.Nodes.Contains(h.Name())))
        {
            var wanted = workers.Contains(host.Name());
            if (labels.Any(l => host.At("metadata", "labels", l) is not null != wanted))
            {
                var patch = new JsonObject();
                foreach (var label in labels)
                {
                    patch[label] = wanted ? "true" : null;
                }

                await api.MergePatchAsync(Kinds.Nodes, null, host.Name(), new JsonObject { ["metadata"] = new JsonObject { ["labels"] = patch } }.ToJsonString(), null, cancellationToken);
            }

            if (!wanted)
            {
                nodes.Clear(host.Name(), ns, name);
            }
        }

        await PodsAsync(dataset, runtime, workers, stuck, cancellationToken);
    }

    private async Task PodsAsync(JsonObject dataset, JsonObject? runtime, string[] workers, string? stuck, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        var wanted = new Dictionary<string, JsonObject>();
        if (runtime is not null)
        {
            wanted[$"{name}-jindofs-master-0"] = Pod(dataset, runtime, $"{name}-jindofs-master-0", "jindofs-master", nodes.Nodes[0]);
            for (var i = 0; i < workers.Length; i++)
            {
                var pod = $"{name}-jindofs-worker-{i.ToString(CultureInfo.InvariantCulture)}";
                wanted[pod] = Pod(dataset, runtime, pod, WorkerRole, workers[i]);
            }
        }

        var there = (await api.ListAsync(Kinds.Pods, ns, $"release={name},app=jindo", cancellationToken)).Items.ToDictionary(p => p.Name());
        foreach (var old in there.Keys.Where(k => !wanted.ContainsKey(k)))
        {
            await api.DeleteAsync(Kinds.Pods, ns, old, null, true, cancellationToken);
        }

        foreach (var (pod, obj) in wanted)
        {
            var made = there.GetValueOrDefault(pod);
            if (made?.Deleting() == true)
            {
                // The kubelet's last word: nothing else runs these pods.
                await api.DeleteAsync(Kinds.Pods, ns, pod, made.Text("metadata", "uid"), true, cancellationToken);
                made = null;
            }

            if (made is null)
            {
                if (EmptyDir(runtime!) && obj.Text("metadata", "labels", "role") == WorkerRole)
                {
                    // A StatefulSet makes another pod under the name, with a volume of its own.
                    nodes.Clear(obj.Text("spec", "nodeName")!, ns, name);
                }

                made = await api.EnsureAsync(Kinds.Pods, obj, cancellationToken);
            }

            if (made is not null)
            {
                await api.SetStatusAsync(Kinds.Pods, made, Status(stuck is null), cancellationToken);
            }
        }
    }

    /// <summary>hostPath is the default of Fluid's tiers, emptyDir that of a CachedModel (fluid api/v1alpha1 Level.VolumeType).</summary>
    private static bool EmptyDir(JsonObject runtime) => runtime.At("spec", "tieredstore", "levels").Objects().FirstOrDefault().Text("volumeType") == "emptyDir";

    private static JsonObject Status(bool running) => new()
    {
        ["phase"] = running ? "Running" : "Pending",
        ["containerStatuses"] = Json.Array([new JsonObject
        {
            ["name"] = "jindofs",
            ["ready"] = running,
            ["restartCount"] = 0,
            ["image"] = "jindo",
            ["imageID"] = "",
            ["state"] = running ? new JsonObject { ["running"] = new JsonObject() } : new JsonObject { ["waiting"] = new JsonObject { ["reason"] = "ContainerCreating" } },
        }]),
    };

    private static JsonObject Pod(JsonObject dataset, JsonObject runtime, string pod, string role, string node) => new()
    {
        ["metadata"] = new JsonObject
        {
            ["name"] = pod,
            ["namespace"] = dataset.Namespace(),
            ["ownerReferences"] = Json.Owner(runtime),
            ["labels"] = new JsonObject
            {
                ["app"] = "jindo",
                ["release"] = dataset.Name(),
                ["role"] = role,
                ["fluid.io/dataset-id"] = dataset.Text("metadata", "uid"),
                ["fluid.io/dataset"] = Label($"{dataset.Namespace()}-{dataset.Name()}", dataset),
            },
            ["annotations"] = new JsonObject { ["sidecar.istio.io/inject"] = "false" },
        },
        ["spec"] = new JsonObject { ["nodeName"] = node, ["containers"] = Json.Array([new JsonObject { ["name"] = "jindofs", ["image"] = "jindo" }]) },
    };

    private static string? Label(string value, JsonObject dataset) => value.Length <= 63 ? value : dataset.Text("metadata", "uid");
}
