using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>Dataset + JindoRuntime: workers on nodes, volume, and figures measured from the real cache folders.</summary>
internal sealed class DatasetController(IKubeApi api, NodeStore nodes, RemoteStore remote, TimeProvider time)
{
    private const string Finalizer = "fluid-dataset-controller-finalizer";
    private const string RuntimeFinalizer = "jindo-runtime-controller-finalizer";

    public async Task ReconcileAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        if (dataset.Deleting())
        {
            await WorkersAsync(dataset, null, [], cancellationToken);
            await api.DeleteAsync(Kinds.JindoRuntimes, ns, name, null, false, cancellationToken);
            await ReleaseAsync(ns, name, cancellationToken);
            await api.DeleteAsync(Kinds.Claims, ns, name, null, false, cancellationToken);
            await api.DeleteAsync(Kinds.Volumes, null, $"{ns}-{name}", null, false, cancellationToken);
            await api.FinalizersAsync(Kinds.Datasets, dataset, Finalizer, false, cancellationToken);
            return;
        }

        await api.FinalizersAsync(Kinds.Datasets, dataset, Finalizer, true, cancellationToken);
        var runtime = await api.GetAsync(Kinds.JindoRuntimes, ns, name, cancellationToken);
        if (runtime is null || runtime.Deleting())
        {
            await WorkersAsync(dataset, null, [], cancellationToken);
            await ReleaseAsync(ns, name, cancellationToken);
            await api.SetStatusAsync(Kinds.Datasets, dataset, new() { ["phase"] = "NotBound", ["conditions"] = new JsonArray() }, cancellationToken);
            return;
        }

        await api.FinalizersAsync(Kinds.JindoRuntimes, runtime, RuntimeFinalizer, true, cancellationToken);
        var replicas = runtime.Number("spec", "replicas") ?? 1;
        var first = Start(ns + "/" + name);
        string[] workers = [.. Enumerable.Range(0, Math.Min(replicas, nodes.Nodes.Count)).Select(i => nodes.Nodes[(first + i) % nodes.Nodes.Count])];
        await WorkersAsync(dataset, runtime, workers, cancellationToken);
        await VolumeAsync(dataset, cancellationToken);
        await StatusAsync(dataset, runtime, replicas, workers, cancellationToken);
    }

    private async Task ReleaseAsync(string ns, string name, CancellationToken cancellationToken)
    {
        if (await api.GetAsync(Kinds.JindoRuntimes, ns, name, cancellationToken) is { } runtime && runtime.Deleting())
        {
            await api.FinalizersAsync(Kinds.JindoRuntimes, runtime, RuntimeFinalizer, false, cancellationToken);
        }
    }

    private async Task WorkersAsync(JsonObject dataset, JsonObject? runtime, string[] workers, CancellationToken cancellationToken)
    {
        var (ns, name, label) = (dataset.Namespace(), dataset.Name(), FluidLabels.Worker(dataset));
        foreach (var node in nodes.Nodes)
        {
            var wanted = workers.Contains(node);
            if (await api.GetAsync(Kinds.Nodes, null, node, cancellationToken) is { } host && host.At("metadata", "labels", label) is not null != wanted)
            {
                var labels = new JsonObject { [label] = wanted ? "true" : null };
                await api.MergePatchAsync(Kinds.Nodes, null, node, new JsonObject { ["metadata"] = new JsonObject { ["labels"] = labels } }.ToJsonString(), null, cancellationToken);
            }

            if (!wanted)
            {
                nodes.Clear(node, ns, name);
            }
        }

        for (var i = 0; i < nodes.Nodes.Count; i++)
        {
            var pod = $"{name}-jindofs-worker-{i.ToString(CultureInfo.InvariantCulture)}";
            if (i >= workers.Length || runtime is null)
            {
                await api.DeleteAsync(Kinds.Pods, ns, pod, null, true, cancellationToken);
                continue;
            }

            var created = await api.EnsureAsync(Kinds.Pods, new()
            {
                ["metadata"] = new JsonObject
                {
                    ["name"] = pod,
                    ["namespace"] = ns,
                    ["ownerReferences"] = Json.Owner(runtime),
                    ["labels"] = new JsonObject { ["app"] = "jindo", ["release"] = name, ["role"] = "jindofs-worker", ["fluid.io/dataset"] = $"{ns}-{name}" },
                    ["annotations"] = new JsonObject { ["sidecar.istio.io/inject"] = "false" },
                },
                ["spec"] = new JsonObject { ["nodeName"] = workers[i], ["containers"] = Json.Array([new JsonObject { ["name"] = "worker", ["image"] = "jindo" }]) },
            }, cancellationToken);
            if (created is not null)
            {
                await api.SetStatusAsync(Kinds.Pods, created, new() { ["phase"] = "Running" }, cancellationToken);
            }
        }
    }

    private async Task VolumeAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        await api.EnsureAsync(Kinds.Volumes, new()
        {
            ["metadata"] = new JsonObject { ["name"] = $"{ns}-{name}" },
            ["spec"] = new JsonObject
            {
                ["capacity"] = new JsonObject { ["storage"] = "100Pi" },
                ["accessModes"] = Json.Array(["ReadOnlyMany"]),
                ["storageClassName"] = "fluid",
                ["csi"] = new JsonObject { ["driver"] = "fuse.csi.fluid.io", ["volumeHandle"] = $"{ns}-{name}" },
            },
        }, cancellationToken);
        var claim = await api.EnsureAsync(Kinds.Claims, new()
        {
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = ns },
            ["spec"] = new JsonObject
            {
                ["accessModes"] = Json.Array(["ReadOnlyMany"]),
                ["storageClassName"] = "fluid",
                ["volumeName"] = $"{ns}-{name}",
                ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "100Pi" } },
            },
        }, cancellationToken);
        if (claim is not null)
        {
            await api.SetStatusAsync(Kinds.Claims, claim, new() { ["phase"] = "Bound" }, cancellationToken);
        }
    }

    private async Task StatusAsync(JsonObject dataset, JsonObject runtime, int replicas, string[] workers, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        var total = dataset.Text("status", "ufsTotal");
        var count = dataset.Text("status", "fileNum");
        var bytes = ByteSize.Parse(total);
        if (bytes is null)
        {
            try
            {
                var files = await remote.ListAsync(dataset, cancellationToken);
                bytes = files.Sum(f => f.Bytes);
                total = ByteSize.Format(bytes.Value);
                count = files.Count.ToString(CultureInfo.InvariantCulture);
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                // Fluid binds before it has read the store; the total stays open until it can.
                total = "[Calculating]";
            }
        }

        var cached = nodes.Nodes.Sum(n => nodes.Bytes(n, ns, name));
        var quota = (ByteSize.Parse(runtime.At("spec", "tieredstore", "levels").Objects().FirstOrDefault().Text("quota")?.Replace("Gi", "GiB", StringComparison.Ordinal)) ?? 0) * workers.Length;
        var share = bytes is > 0 ? Math.Min(100, 100.0 * cached / bytes.Value) : 0;
        JsonObject States() => new()
        {
            ["cacheCapacity"] = ByteSize.Format(quota),
            ["cached"] = ByteSize.Format(cached),
            ["cachedPercentage"] = string.Create(CultureInfo.InvariantCulture, $"{share:0.0}%"),
        };
        var phase = workers.Length == replicas ? "Ready" : workers.Length == 0 ? "NotReady" : "PartialReady";
        await api.SetStatusAsync(Kinds.JindoRuntimes, runtime, new()
        {
            ["masterPhase"] = "Ready",
            // Required by the CRD: the Helm values that the runtime was installed with.
            ["valueFile"] = $"{name}-jindo-values",
            ["workerPhase"] = phase,
            ["fusePhase"] = "Ready",
            ["cacheStates"] = States(),
            ["desiredMasterNumberScheduled"] = 1,
            ["masterNumberReady"] = 1,
            ["currentMasterNumberScheduled"] = 1,
            ["desiredWorkerNumberScheduled"] = replicas,
            ["currentWorkerNumberScheduled"] = workers.Length,
            ["workerNumberReady"] = workers.Length,
            ["workerNumberAvailable"] = workers.Length,
            ["desiredFuseNumberScheduled"] = 0,
            ["currentFuseNumberScheduled"] = 0,
            ["fuseNumberReady"] = 0,
        }, cancellationToken);
        var ready = Json.Condition(dataset.At("status", "conditions"), time, "Ready", "True", "DatasetReady", "The ddc runtime is ready.");
        ready["lastUpdateTime"] = ready.Text("lastTransitionTime");
        await api.SetStatusAsync(Kinds.Datasets, dataset, new()
        {
            ["phase"] = "Bound",
            ["ufsTotal"] = total,
            ["fileNum"] = count,
            ["cacheStates"] = States(),
            ["conditions"] = Json.Array([ready]),
            ["hcfs"] = new JsonObject { ["endpoint"] = "N/A" },
            ["runtimes"] = Json.Array([new JsonObject { ["name"] = name, ["namespace"] = ns, ["category"] = "Accelerate", ["type"] = "jindo", ["masterReplicas"] = 1 }]),
        }, cancellationToken);
    }

    private int Start(string key) => key.Aggregate(0, (sum, c) => ((sum * 31) + c) & 0xffff) % nodes.Nodes.Count;
}
