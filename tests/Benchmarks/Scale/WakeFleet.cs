using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Tests.Benchmarks.Scale;

/// <summary>The sandbox's API server with models at zero, each with a warm cache of its own on two nodes.</summary>
internal sealed class WakeFleet : IAsyncDisposable
{
    public const string Namespace = "models";
    private const string Digest = "0123456789abcdef0123456789abcdef";
    private const int AtOnce = 16;
    private const string Runtime = """
        {"status":{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,
        "desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}}
        """;

    private readonly DirectoryInfo _home = Directory.CreateTempSubdirectory("wake-fleet");
    private readonly ApiServer _server;
    private readonly KubeApi _api;

    private WakeFleet(ApiServer server)
    {
        _server = server;
        _api = Connect();
    }

    /// <summary>The cluster's side: whatever writes PodAutoscalers.</summary>
    public IKubeApi Api => _api;

    public static async Task<WakeFleet> StartAsync(int models, CancellationToken cancellationToken)
    {
        var fleet = new WakeFleet(await ApiServer.StartAsync(new(), cancellationToken));
        await fleet._api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, cancellationToken);
        var labels = new JsonObject();
        await Parallel.ForAsync(0, models, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (i, ct) =>
        {
            var label = await fleet.MakeAsync(Name(i), ct);
            lock (labels)
            {
                labels[label] = "true";
            }
        });
        foreach (var node in (string[])["node-1", "node-2"])
        {
            await fleet._api.CreateAsync(Kinds.Nodes, null, new() { ["metadata"] = new JsonObject { ["name"] = node, ["labels"] = labels.DeepClone() }, ["spec"] = new JsonObject() }, cancellationToken);
        }

        return fleet;
    }

    /// <summary>A connection of its own, over HTTPS.</summary>
    public KubeApi Connect() => new(KubeApiFactory.CreateHttpClient(_server.WriteKubeconfig(Path.Combine(_home.FullName, $"config-{Guid.NewGuid():N}"))));

    public static string Name(int i) => string.Create(CultureInfo.InvariantCulture, $"m{i}");

    /// <summary>The autoscaler's write of a wake.</summary>
    public Task WakeAsync(string model, DateTimeOffset now, CancellationToken cancellationToken) =>
        _api.MergePatchAsync(Kinds.PodAutoscalers, Namespace, Revision(model), Status("Unknown", "Queued", 1, now), "status", cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _api.Dispose();
        await _server.DisposeAsync();
        _home.Delete(recursive: true);
    }

    private async Task<string> MakeAsync(string name, CancellationToken cancellationToken)
    {
        var dataset = FluidNames.Dataset(name, Digest);
        await _api.CreateAsync(CatalogKinds.CachedModels, Namespace, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = name, Namespace = Namespace },
            Spec = new() { Source = new() { Uri = $"oss://b/models/{name}", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" }, Serving = new() { Name = name } },
        }, cancellationToken);
        await _api.ApplyAsync(CatalogKinds.CachedModels, Namespace, name, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = name, Namespace = Namespace },
            Status = new()
            {
                Phase = "Serving",
                Version = "v1",
                Versions = [new() { Name = "v1", Digest = Digest, Bytes = 1 << 20, Files = 3, State = "Serving", Dataset = dataset, Path = "/" + name, DataLoad = dataset + "-load", Revision = Revision(name), LoadedAt = DateTimeOffset.UnixEpoch }],
            },
        }, Ownership.StatusManager, true, "status", cancellationToken);
        foreach (var (type, status) in new[] { (Kinds.Datasets, """{"status":{"phase":"Bound","conditions":[],"cacheStates":{"cached":"2.00MiB"}}}"""), (Kinds.JindoRuntimes, Runtime) })
        {
            await _api.CreateAsync(type, Namespace, new() { ["apiVersion"] = type.ApiVersion, ["kind"] = type.Kind, ["metadata"] = new JsonObject { ["name"] = dataset }, ["spec"] = new JsonObject() }, cancellationToken);
            await _api.MergePatchAsync(type, Namespace, dataset, status, "status", cancellationToken);
        }

        await _api.EnsureAsync(Kinds.PodAutoscalers, new()
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = Revision(name),
                ["namespace"] = Namespace,
                ["labels"] = new JsonObject { [ServingKinds.ServiceLabel] = name, [ScaleKinds.RevisionLabel] = Revision(name), [ScaleKinds.GenerationLabel] = "1" },
                ["annotations"] = new JsonObject { [Ownership.DigestAnnotation] = Digest },
            },
            ["spec"] = new JsonObject(),
        }, cancellationToken);
        await _api.MergePatchAsync(Kinds.PodAutoscalers, Namespace, Revision(name), Status("False", "NoTraffic", 0, DateTimeOffset.UnixEpoch), "status", cancellationToken);
        return FluidNames.WorkerLabel(Namespace, dataset, null);
    }

    private static string Revision(string model) => $"{model}-predictor-00001";

    private static string Status(string active, string reason, int desired, DateTimeOffset since) => new JsonObject
    {
        ["status"] = new JsonObject
        {
            ["desiredScale"] = desired,
            ["actualScale"] = 0,
            ["conditions"] = Json.Array([
                new JsonObject { ["type"] = "Active", ["status"] = active, ["reason"] = reason, ["lastTransitionTime"] = since.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) },
                new JsonObject { ["type"] = "ScaleTargetInitialized", ["status"] = "True", ["lastTransitionTime"] = "2026-11-20T00:00:00Z" }]),
        },
    }.ToJsonString();
}
