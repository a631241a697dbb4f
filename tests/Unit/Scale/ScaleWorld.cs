using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;

namespace Prewarm.Tests.Unit.Scale;

/// <summary>The sandbox's API server with models that serve a version from a warm cache, the test playing Fluid, Knative and the kubelet, and the watches on it.</summary>
internal sealed class ScaleWorld : IAsyncDisposable
{
    public const string Ns = "default";
    public const long Bytes = 1 << 20;
    private readonly List<IDisposable> _closing = [];
    private readonly List<Func<Task>> _stops = [];

    public ApiWorld Server { get; } = new();

    public IKubeApi Api => Server.Api;

    public CancellationToken Deadline => Server.Deadline;

    public ScaleBoard Board { get; private set; } = null!;

    public CatalogWatch Catalog { get; private set; } = null!;

    /// <param name="activations">What judges activations, given what it needs.</param>
    public async Task WatchAsync(IKubeApi? api = null, ILogger<ScaleWatch>? logger = null, Func<ScaleBoard, IActivations>? activations = null)
    {
        api ??= Api;
        var options = Options.Create(new CatalogOptions());
        Board = new(TimeProvider.System);
        Catalog = new(api, options, TimeProvider.System, NullLogger<CatalogWatch>.Instance);
        var watch = new ScaleWatch(api, Catalog, Board, options, Options.Create(new ScaleOptions { Activations = true }), TimeProvider.System,
            logger ?? NullLogger<ScaleWatch>.Instance, activations?.Invoke(Board));
        _closing.AddRange([Catalog, watch]);
        await Catalog.StartAsync(Deadline);
        await watch.StartAsync(Deadline);
        _stops.Add(() => watch.StopAsync(CancellationToken.None));
        _stops.Add(() => Catalog.StopAsync(CancellationToken.None));
    }

    /// <summary>A model whose version v1 serves from a Dataset with workers on nodes.</summary>
    /// <param name="change">Makes the model and its status what the test needs.</param>
    public async Task<ModelKey> ServeAsync(string name, string[] workers, string cached = "2.00MiB", string platform = "ACK", Action<CachedModel>? change = null)
    {
        var made = Model(name, platform);
        made.Status = Status(name);
        change?.Invoke(made);
        await Api.CreateAsync(CatalogKinds.CachedModels, Ns, made, Deadline);
        await Api.ApplyAsync(CatalogKinds.CachedModels, Ns, name, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = name, Namespace = Ns },
            Status = made.Status,
        }, Ownership.StatusManager, true, "status", Deadline);
        var version = Status(name).Versions![0];
        var dataset = await Api.CreateAsync(Kinds.Datasets, Ns, Server.Dataset(version.Dataset!), Deadline);
        await Api.CreateAsync(Kinds.JindoRuntimes, Ns, new() { ["apiVersion"] = "data.fluid.io/v1alpha1", ["kind"] = "JindoRuntime", ["metadata"] = new JsonObject { ["name"] = version.Dataset }, ["spec"] = new JsonObject() }, Deadline);
        await Api.MergePatchAsync(Kinds.JindoRuntimes, Ns, version.Dataset!, """{"status":{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}}""", "status", Deadline);
        await CachedAsync(name, cached);
        var label = FluidNames.WorkerLabel(Ns, version.Dataset!, dataset.Text("metadata", "uid"));
        foreach (var node in workers)
        {
            await Api.EnsureAsync(Kinds.Nodes, new() { ["metadata"] = new JsonObject { ["name"] = node }, ["spec"] = new JsonObject() }, Deadline);
            await Api.MergePatchAsync(Kinds.Nodes, null, node, new JsonObject { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { [label] = "true" } } }.ToJsonString(), null, Deadline);
        }

        return new(Ns, name);
    }

    public Task CachedAsync(string name, string cached) => Api.MergePatchAsync(Kinds.Datasets, Ns, Dataset(name),
        $$$$"""{"status":{"phase":"Bound","conditions":[],"cacheStates":{"cached":"{{{{cached}}}}"}}}""", "status", Deadline);

    /// <summary>Writes a PodAutoscaler as Knative would, and returns it as written.</summary>
    public async Task<JsonObject> AutoscalerAsync(string name, string active, string? reason, int desired, int actual, string initialized = "True", string? since = null)
    {
        await Api.EnsureAsync(Kinds.PodAutoscalers, new()
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = Revision(name),
                ["namespace"] = Ns,
                ["labels"] = new JsonObject
                {
                    [ServingKinds.ServiceLabel] = name,
                    [ScaleKinds.RevisionLabel] = Revision(name),
                    [ScaleKinds.GenerationLabel] = "1",
                },
                ["annotations"] = new JsonObject { [Ownership.DigestAnnotation] = Digest },
            },
            ["spec"] = new JsonObject { ["scaleTargetRef"] = new JsonObject { ["kind"] = "Deployment", ["name"] = "d", ["apiVersion"] = "apps/v1" } },
        }, Deadline);
        return await Api.MergePatchAsync(Kinds.PodAutoscalers, Ns, Revision(name), Status(active, reason, desired, actual, initialized, since ?? Stamp(TimeProvider.System.GetUtcNow())), "status", Deadline);
    }

    /// <summary>What judges activations, on the world's API server.</summary>
    public Activations Judge(ScaleBoard board, IHostApplicationLifetime lifetime) => new(board, new(board, new(Api, TimeProvider.System, NullLogger<ActivationWriter>.Instance),
        new(Api, TimeProvider.System, NullLogger<WakeLoads>.Instance), TimeProvider.System, NullLogger<ActivationRun>.Instance), lifetime, TimeProvider.System, NullLogger<Activations>.Instance);

    /// <summary>The model's pod on a node, its container started.</summary>
    /// <param name="name">After the model's name.</param>
    /// <param name="started">False: its image is still being pulled.</param>
    public async Task PodAsync(string model, string node, bool ready, string name = "p-0", bool started = true)
    {
        var now = Stamp(TimeProvider.System.GetUtcNow());
        await Api.EnsureAsync(Kinds.Pods, JsonNode.Parse($$$"""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{{model}}}-{{{name}}}","namespace":"{{{Ns}}}","labels":{"serving.kserve.io/inferenceservice":"{{{model}}}","serving.knative.dev/revision":"{{{Revision(model)}}}"} },
            "spec":{"containers":[{"name":"kserve-container","image":"i"}]}}
            """)!.AsObject(), Deadline);
        var state = started ? $$$"""{"running":{"startedAt":"{{{now}}}"} }""" : """{"waiting":{"reason":"ContainerCreating"} }""";
        await Api.MergePatchAsync(Kinds.Pods, Ns, $"{model}-{name}", string.Create(CultureInfo.InvariantCulture, $$$"""
            {"status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":"{{{now}}}"},{"type":"Ready","status":"{{{ready}}}","lastTransitionTime":"{{{now}}}"}],
            "containerStatuses":[{"name":"kserve-container","image":"i","imageID":"","ready":true,"restartCount":0,"state":{{{state}}} }]} }
            """), "status", Deadline);
        // Last, so that whoever sees it bound sees its state.
        await Api.MergePatchAsync(Kinds.Pods, Ns, $"{model}-{name}", new JsonObject { ["spec"] = new JsonObject { ["nodeName"] = node } }.ToJsonString(), null, Deadline);
    }

    /// <summary>Waits until <c>status.activation</c> is as wanted.</summary>
    public async Task<ActivationStatus> UntilAsync(ModelKey key, Func<ActivationStatus, bool> done)
    {
        ActivationStatus? last = null;
        await Server.UntilAsync(async () => (last = (await Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, Deadline))!.Status!.Activation) is not null && done(last));
        return last!;
    }

    public static string Stamp(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static string Status(string active, string? reason, int desired, int actual, string initialized, string since) => new JsonObject
    {
        ["status"] = new JsonObject
        {
            ["desiredScale"] = desired,
            ["actualScale"] = actual,
            ["conditions"] = Json.Array([
                new JsonObject { ["type"] = "Active", ["status"] = active, ["reason"] = reason ?? "", ["lastTransitionTime"] = since },
                new JsonObject { ["type"] = "ScaleTargetInitialized", ["status"] = initialized, ["lastTransitionTime"] = "2026-11-20T00:00:00Z" }]),
        },
    }.ToJsonString();

    public const string Digest = "0123456789abcdef0123456789abcdef";

    public static string Revision(string model) => $"{model}-predictor-00001";

    public static string Dataset(string model) => FluidNames.Dataset(model, Digest);

    public static CachedModel Model(string name, string platform = "ACK") => new()
    {
        ApiVersion = CatalogKinds.CachedModels.ApiVersion,
        Kind = CatalogKinds.CachedModels.Kind,
        Metadata = new() { Name = name, Namespace = Ns },
        Spec = new() { Source = new() { Uri = $"oss://b/models/{name}", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" }, Serving = new() { Name = name, Platform = platform } },
    };

    public static CachedModelStatus Status(string name) => new()
    {
        Phase = "Serving",
        Version = "v1",
        Versions =
        [
            new()
            {
                Name = "v1", Digest = Digest, Bytes = Bytes, Files = 3, State = "Serving", Dataset = Dataset(name), Path = "/" + name, DataLoad = Dataset(name) + "-load",
                Revision = Revision(name), LoadedAt = DateTimeOffset.Parse("2026-11-20T00:00:00Z", CultureInfo.InvariantCulture), ServingSince = DateTimeOffset.Parse("2026-11-20T00:00:00Z", CultureInfo.InvariantCulture),
            },
        ],
    };

    public async ValueTask DisposeAsync()
    {
        foreach (var stop in _stops)
        {
            await stop();
        }

        _closing.ForEach(c => c.Dispose());
        await Server.DisposeAsync();
    }
}
