using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>
/// Dataset + JindoRuntime: 1. deletion, 2. unbound without a runtime, 3. the runtime's pods (they cannot start while a Secret they mount is missing),
/// 4. volume, 5. status with figures measured from the real cache folders.
/// </summary>
/// <param name="stopLoads">Ends the copying into a Dataset that goes away.</param>
internal sealed class DatasetController(IKubeApi api, NodeStore nodes, RemoteStore remote, TimeProvider time, Func<string, string, Task> stopLoads)
{
    private const string Finalizer = "fluid-dataset-controller-finalizer";
    private const string RuntimeFinalizer = "jindo-runtime-controller-finalizer";

    /// <summary>Between two tries to read the store's total.</summary>
    private static readonly TimeSpan Relist = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<string, Figures> _figures = new();
    private readonly ConcurrentDictionary<(string Namespace, string Name), string> _stuck = new();
    private readonly CacheWorkers _workers = new(api, nodes);
    private readonly DatasetVolume _volume = new(api);
    private readonly FluidEvents _events = new(api, time);

    public async Task ReconcileAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        var key = $"{ns}/{name}";
        if (dataset.Deleting())
        {
            await DeleteAsync(dataset, cancellationToken);
            return;
        }

        await api.FinalizersAsync(Kinds.Datasets, dataset, Finalizer, true, cancellationToken);
        var runtime = await api.GetAsync(Kinds.JindoRuntimes, ns, name, cancellationToken);
        if (runtime is null || runtime.Deleting())
        {
            _figures.TryRemove(key, out _);
            await stopLoads(ns, name);
            await _workers.EnsureAsync(dataset, null, [], null, cancellationToken);
            await ReleaseAsync(ns, name, cancellationToken);
            await api.SetStatusAsync(Kinds.Datasets, dataset, new() { ["phase"] = "NotBound", ["conditions"] = new JsonArray(), ["cacheStates"] = null, ["runtimes"] = new JsonArray() }, cancellationToken);
            return;
        }

        await api.FinalizersAsync(Kinds.JindoRuntimes, runtime, RuntimeFinalizer, true, cancellationToken);
        var replicas = runtime.Number("spec", "replicas") ?? 1;
        var workers = _workers.Place(dataset, replicas);
        var stuck = await MissingSecretAsync(dataset, cancellationToken);
        await _workers.EnsureAsync(dataset, runtime, workers, stuck, cancellationToken);
        if (stuck is null)
        {
            _stuck.TryRemove((ns, name), out _);
        }
        else
        {
            _stuck[(ns, name)] = stuck;
            await _events.WarnAsync(runtime, "FailedMount", $"MountVolume.SetUp failed for volume \"jindofs-secret-token\" : secret \"{stuck}\" not found", cancellationToken);
            await RuntimeStatusAsync(runtime, replicas, 0, false, null, cancellationToken);
            await api.SetStatusAsync(Kinds.Datasets, dataset, new() { ["phase"] = "NotBound", ["conditions"] = new JsonArray() }, cancellationToken);
            return;
        }

        await _volume.EnsureAsync(dataset, cancellationToken);
        await StatusAsync(dataset, runtime, replicas, workers.Length, cancellationToken);
    }

    /// <summary>Datasets whose pods wait for a Secret.</summary>
    public IEnumerable<(string Namespace, string Name)> WaitingFor(JsonObject secret) =>
        _stuck.Where(s => s.Key.Namespace == secret.Namespace() && s.Value == secret.Name()).Select(s => s.Key).ToList();

    /// <summary>Measures the cache folders of all bound Datasets and writes the figures that have changed; true when any had.</summary>
    public async Task<bool> MeasureAsync(CancellationToken cancellationToken)
    {
        var changed = false;
        foreach (var (key, figures) in _figures)
        {
            var (ns, name) = (key[..key.IndexOf('/')], key[(key.IndexOf('/') + 1)..]);
            var states = figures.States(nodes.Bytes(ns, name));
            if (JsonNode.DeepEquals(states, figures.Written))
            {
                continue;
            }

            changed = true;
            figures.Written = states;
            var patch = new JsonObject { ["status"] = new JsonObject { ["cacheStates"] = states.DeepClone() } }.ToJsonString();
            try
            {
                await api.MergePatchAsync(Kinds.JindoRuntimes, ns, name, patch, "status", cancellationToken);
                await api.MergePatchAsync(Kinds.Datasets, ns, name, patch, "status", cancellationToken);
            }
            catch (KubeApiException e) when (e.IsNotFound)
            {
                _figures.TryRemove(key, out _);
            }
        }

        return changed;
    }

    // 1: not while a pod mounts it (fluid dataset_controller.go, ShouldDeleteDataset).
    private async Task DeleteAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        if (await _volume.UsersAsync(dataset, cancellationToken) is { Length: > 0 } users)
        {
            await _events.WarnAsync(dataset, "ErrorDeleteDataset", $"Failed to delete dataset because err: the dataset is being used by pods: {string.Join(", ", users)}", cancellationToken);
            return;
        }

        _figures.TryRemove($"{ns}/{name}", out _);
        _stuck.TryRemove((ns, name), out _);
        await stopLoads(ns, name);
        await _workers.EnsureAsync(dataset, null, [], null, cancellationToken);
        await api.DeleteAsync(Kinds.JindoRuntimes, ns, name, null, false, cancellationToken);
        await ReleaseAsync(ns, name, cancellationToken);
        await _volume.DeleteAsync(dataset, cancellationToken);
        await api.FinalizersAsync(Kinds.Datasets, dataset, Finalizer, false, cancellationToken);
    }

    private async Task ReleaseAsync(string ns, string name, CancellationToken cancellationToken)
    {
        if (await api.GetAsync(Kinds.JindoRuntimes, ns, name, cancellationToken) is { } runtime && runtime.Deleting())
        {
            await api.FinalizersAsync(Kinds.JindoRuntimes, runtime, RuntimeFinalizer, false, cancellationToken);
        }
    }

    // The Secret of encryptOptions is mounted into the pods, which wait for it (fluid pkg/ddc/jindocache/transform.go).
    private async Task<string?> MissingSecretAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var names = dataset.At("spec", "mounts").Objects().SelectMany(m => m.At("encryptOptions").Objects())
            .Concat(dataset.At("spec", "sharedEncryptOptions").Objects()).Select(o => o.Text("valueFrom", "secretKeyRef", "name")).OfType<string>().Distinct();
        foreach (var name in names)
        {
            if (await api.GetAsync(Kinds.Secrets, dataset.Namespace(), name, cancellationToken) is null)
            {
                return name;
            }
        }

        return null;
    }

    private async Task StatusAsync(JsonObject dataset, JsonObject runtime, int replicas, int ready, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        var key = $"{ns}/{name}";
        var uid = dataset.Text("metadata", "uid")!;
        if (!_figures.TryGetValue(key, out var figures) || figures.Uid != uid)
        {
            _figures[key] = figures = new(uid) { Total = ByteSize.Parse(dataset.Text("status", "ufsTotal")), TotalText = dataset.Text("status", "ufsTotal"), Files = dataset.Text("status", "fileNum") };
        }

        await TotalAsync(dataset, figures, cancellationToken);
        figures.Quota = CacheQuota.Of(runtime) * ready;
        var states = figures.States(nodes.Bytes(ns, name));
        figures.Written = states;
        await RuntimeStatusAsync(runtime, replicas, ready, true, states, cancellationToken);
        var condition = Json.Condition(dataset.At("status", "conditions"), time, "Ready", "True", "DatasetReady", "The ddc runtime is ready.");
        condition["lastUpdateTime"] = condition.Text("lastTransitionTime");
        await api.SetStatusAsync(Kinds.Datasets, dataset, new()
        {
            ["phase"] = "Bound",
            ["mounts"] = dataset.At("spec", "mounts")?.DeepClone(),
            ["ufsTotal"] = figures.TotalText,
            ["fileNum"] = figures.Files,
            ["cacheStates"] = states.DeepClone(),
            ["conditions"] = Json.Array([condition]),
            ["hcfs"] = new JsonObject { ["endpoint"] = "N/A" },
            ["runtimes"] = Json.Array([new JsonObject { ["name"] = name, ["namespace"] = ns, ["category"] = "Accelerate", ["type"] = "jindo", ["masterReplicas"] = 1 }]),
        }, cancellationToken);
    }

    // Read once; Fluid binds before it has read the store, and the total stays open until it can.
    private async Task TotalAsync(JsonObject dataset, Figures figures, CancellationToken cancellationToken)
    {
        if (figures.Total is not null || (figures.Tried is { } tried && time.GetElapsedTime(tried) < Relist))
        {
            return;
        }

        figures.Tried = time.GetTimestamp();
        try
        {
            var files = await remote.ListAsync(dataset, cancellationToken);
            figures.Total = files.Sum(f => f.Bytes);
            figures.TotalText = ByteSize.Format(figures.Total.Value);
            figures.Files = files.Count.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            figures.TotalText = "[Calculating]";
        }
    }

    private Task RuntimeStatusAsync(JsonObject runtime, int replicas, int ready, bool master, JsonObject? states, CancellationToken cancellationToken)
    {
        var status = new JsonObject
        {
            // Required by the CRD: the Helm values that the runtime was installed with.
            ["valueFile"] = $"{runtime.Name()}-jindo-values",
            ["masterPhase"] = master ? "Ready" : "NotReady",
            ["workerPhase"] = !master ? "NotReady" : ready == replicas ? "Ready" : ready == 0 ? "NotReady" : "PartialReady",
            ["fusePhase"] = master ? "Ready" : "NotReady",
            ["desiredMasterNumberScheduled"] = 1,
            ["masterNumberReady"] = master ? 1 : 0,
            ["currentMasterNumberScheduled"] = 1,
            ["desiredWorkerNumberScheduled"] = replicas,
            ["currentWorkerNumberScheduled"] = ready,
            ["workerNumberReady"] = ready,
            ["workerNumberAvailable"] = ready,
            ["desiredFuseNumberScheduled"] = 0,
            ["currentFuseNumberScheduled"] = 0,
            ["fuseNumberReady"] = 0,
        };
        if (states is not null)
        {
            status["cacheStates"] = states.DeepClone();
        }

        return api.SetStatusAsync(Kinds.JindoRuntimes, runtime, status, cancellationToken);
    }

    private sealed class Figures(string uid)
    {
        public string Uid { get; } = uid;
        public double? Total { get; set; }
        public string? TotalText { get; set; }
        public string? Files { get; set; }
        public double Quota { get; set; }
        public long? Tried { get; set; }
        public JsonObject? Written { get; set; }

        public JsonObject States(long cached) => new()
        {
            ["cacheCapacity"] = ByteSize.Format(Quota),
            ["cached"] = ByteSize.Format(cached),
            ["cachedPercentage"] = string.Create(CultureInfo.InvariantCulture, $"{(Total is > 0 ? Math.Min(100, 100.0 * cached / Total.Value) : 0):0.0}%"),
        };
    }
}
