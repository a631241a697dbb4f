using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.Relay;
using Prewarm.Tests.Unit.Scale;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The code itself under its ServiceAccount: nothing it asks is refused, and every right it has is used.</summary>
public sealed class CodeRightsTests(AppliedCluster cluster) : IClassFixture<AppliedCluster>
{
    private static readonly ModelKey s_key = new(RightsTable.Models, "bloom");
    private readonly Outside _outside = new();

    [Fact]
    public async Task Line_UploadToDeletion_UsesExactlyItsRights()
    {
        Kubectl.OrSkip();
        await cluster.RunAsync("-n", RightsTable.Models, "create", "secret", "generic", "access-key", "--from-literal=fs.oss.accessKeyId=AK", "--from-literal=fs.oss.accessKeySecret=SK");
        await cluster.RunAsync("apply", "-k", "knative/examples/bloom");
        var record = new CallRecorder(await cluster.ClientAsync("prewarm-line"));
        using var api = new KubeApi(new HttpClient(record) { BaseAddress = record.Server });
        var line = new ModelLine(api, _outside, _outside, TimeProvider.System, NullLogger<ModelLine>.Instance);
        await FollowAsync(api);
        await WatchScaleAsync(api, record, activations: true);
        Task LookAsync() => line.AdvanceAsync(s_key, cluster.Deadline);

        // The same news twice raises an Event's count.
        foreach (var failure in (UploadFailure?[])[new("AccessDenied", "the store refuses", Transient: false), null, new("AccessDenied", "the store refuses", Transient: false), null])
        {
            _outside.Failure = failure;
            await LookAsync();
        }

        var version = (await ModelAsync()).Status!.Versions!.Single();
        await StatusAsync(Kinds.Datasets, version.Dataset!, """{"phase":"Bound","conditions":[],"cacheStates":{"cached":"2.00MiB"}}""");
        await StatusAsync(Kinds.JindoRuntimes, version.Dataset!, """{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}""");
        await StatusAsync(Kinds.DataLoads, version.DataLoad!, """{"phase":"Complete","duration":"45s","conditions":[]}""");
        await LookAsync();
        await StatusAsync(Kinds.InferenceServices, "fluid-bloom", """{"components":{"predictor":{"latestCreatedRevision":"fluid-bloom-predictor-00001"}}}""");
        await LookAsync();
        await ReadAsync(api);
        // An adopted Dataset is read by name, with its runtime.
        await cluster.Admin.CreateAsync(Kinds.Datasets, RightsTable.Models, new() { ["apiVersion"] = Kinds.Datasets.ApiVersion, ["kind"] = "Dataset", ["metadata"] = new JsonObject { ["name"] = "oss-data" }, ["spec"] = new JsonObject() }, cluster.Deadline);
        await cluster.Admin.MergePatchAsync(Kinds.CachedModels, RightsTable.Models, "bloom", """{"spec":{"cache":{"existingDataset":{"name":"oss-data"}}}}""", null, cluster.Deadline);
        await LookAsync();
        using (var sweep = new ModelSweep(api, _outside, new CatalogFake(await ModelAsync()), line, TimeProvider.System, NullLogger<ModelSweep>.Instance))
        {
            await sweep.RunAsync(cluster.Deadline);
        }

        await cluster.Admin.DeleteAsync(Kinds.CachedModels, RightsTable.Models, "bloom", null, now: false, cluster.Deadline);
        await LookAsync();
        Assert.Null(await cluster.Admin.GetAsync(Kinds.CachedModels, RightsTable.Models, "bloom", cluster.Deadline));

        Assert.Equal([], record.Refused);
        // The Secret is a right by name and so not in the table.
        Assert.Equal(Rights("prewarm-line").Append($"get /secrets {RightsTable.Models}").Order(StringComparer.Ordinal), record.Used);
    }

    [Theory]
    [InlineData("prewarm-relay")]
    [InlineData("prewarm-operate")]
    public async Task Reader_FollowsTheModels_UsesExactlyItsRights(string account)
    {
        Kubectl.OrSkip();
        var record = new CallRecorder(await cluster.ClientAsync(account));
        using var api = new KubeApi(new HttpClient(record) { BaseAddress = record.Server });
        await FollowAsync(api);
        if (account == "prewarm-relay")
        {
            await WatchScaleAsync(api, record, activations: false);
        }

        Assert.Equal([], record.Refused);
        Assert.Equal(Rights(account), record.Used);
    }

    [Fact]
    public async Task Prewarmer_HoldsPodsTakesCachesBackAndLearns_UsesExactlyItsRights()
    {
        Kubectl.OrSkip();
        var record = new CallRecorder(await cluster.ClientAsync("prewarm-prewarmer"));
        using var api = new KubeApi(new HttpClient(record) { BaseAddress = record.Server });
        await FollowAsync(api);
        var (held, idle) = (await ServedAsync("held", """{"windows":[{"cron":"* * * * *"}]}"""), await ServedAsync("idle", """{"cache":"Release","cacheIdleMinutes":0}"""));
        var options = new PrewarmOptions { Follow = TimeSpan.Zero };
        var arrivals = new Arrivals();
        var memories = new MemoryStore(api, options, TimeProvider.System, NullLogger<MemoryStore>.Instance);
        var forecast = new FleetForecast(new(0, ForecastPrior.ReadNeutral()));
        var fleet = new FleetStore(api, forecast, new(10), options, TimeProvider.System, NullLogger<FleetStore>.Instance);
        using var nowhere = new HttpClient();
        var choice = new CacheChoice(forecast, options);
        var turn = new PrewarmTurn(api, options, TimeProvider.System, NullLogger<PrewarmTurn>.Instance);
        using var tick = new PrewarmTick(api, new CatalogFake(held, idle), Options.Create(new CatalogOptions { Namespaces = [RightsTable.Models] }), arrivals, memories, forecast, fleet,
            new(forecast, memories, options, TimeProvider.System, NullLogger<HistoryStart>.Instance), new(arrivals, memories, forecast, options), choice,
            new(api, new(nowhere, null), options, TimeProvider.System, NullLogger<HoldActor>.Instance),
            new(api, new(api, TimeProvider.System, NullLogger<WakeLoads>.Instance), choice, options, TimeProvider.System, NullLogger<CacheActor>.Instance), turn, options, TimeProvider.System, NullLogger<PrewarmTick>.Instance);
        // What has come is written twice: the second time what is there is replaced.
        foreach (var ago in (int[])[20, 10])
        {
            arrivals.Add(held.Key(), new((TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() / 60) - ago, 1, 0, 0, 1, 1));
            await tick.RunAsync(cluster.Deadline);
            await memories.SaveAsync(now: true, cluster.Deadline);
            await fleet.SaveAsync(now: true, cluster.Deadline);
        }

        await turn.LeaveAsync(cluster.Deadline);
        Assert.Equal([], record.Refused);
        Assert.Equal(Rights("prewarm-prewarmer"), record.Used);
        Assert.Equal("released", (await cluster.Admin.GetAsync(Kinds.CachedModels, RightsTable.Models, "idle", cluster.Deadline)).Text("metadata", "annotations", Ownership.CacheAnnotation));
        foreach (var model in (CachedModel[])[held, idle])
        {
            await cluster.Admin.DeleteAsync(Kinds.CachedModels, RightsTable.Models, model.Metadata.Name!, null, now: true, cluster.Deadline);
        }
    }

    /// <summary>A model that is served from a cache which has lost its bytes.</summary>
    private async Task<CachedModel> ServedAsync(string name, string prewarm)
    {
        var revision = name + "-predictor-00001";
        foreach (var type in (ResourceType<JsonObject>[])[Kinds.Revisions, Kinds.PodAutoscalers])
        {
            await cluster.Admin.CreateAsync(type, RightsTable.Models, new() { ["apiVersion"] = type.ApiVersion, ["kind"] = type.Kind, ["metadata"] = new JsonObject { ["name"] = revision }, ["spec"] = new JsonObject() }, cluster.Deadline);
        }

        await cluster.Admin.CreateAsync(Kinds.CachedModels, RightsTable.Models, new()
        {
            ["apiVersion"] = Kinds.CachedModels.ApiVersion,
            ["kind"] = "CachedModel",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["source"] = new JsonObject { ["uri"] = $"oss://b/{name}", ["endpoint"] = "e" }, ["prewarm"] = JsonNode.Parse(prewarm) },
        }, cluster.Deadline);
        await StatusAsync(Kinds.PodAutoscalers, revision, """{"actualScale":0,"conditions":[]}""");
        await StatusAsync(Kinds.CachedModels, name, $$"""
            {"url":"http://{{name}}.example.com","locality":{"verdict":"Cold","reason":"NothingCached"},
             "versions":[{"name":"v1","digest":"0123456789abcdef0123456789abcdef","state":"Serving","dataset":"{{name}}-0123456789","path":"/{{name}}","revision":"{{revision}}"}]}
            """);
        return (await cluster.Admin.GetAsync(CatalogKinds.CachedModels, RightsTable.Models, name, cluster.Deadline))!;
    }

    /// <summary>Nodes are one right, whatever the place asked about.</summary>
    private static IEnumerable<string> Rights(string account) =>
        RightsTable.Of(account).Select(r => r.Contains(" /nodes ", StringComparison.Ordinal) ? r[..r.LastIndexOf(' ')] + " *" : r).Distinct().Order(StringComparer.Ordinal);

    /// <summary>The watches of the serving state, until all of them are open.</summary>
    private async Task WatchScaleAsync(IKubeApi api, CallRecorder record, bool activations)
    {
        var catalog = new CatalogFake();
        using var watch = new ScaleWatch(api, catalog, new ScaleBoard(TimeProvider.System), Options.Create(new CatalogOptions { Namespaces = [RightsTable.Models] }),
            Options.Create(new ScaleOptions { Activations = activations }), TimeProvider.System, NullLogger<ScaleWatch>.Instance);
        await watch.StartAsync(cluster.Deadline);
        string[] kinds = ["autoscaling.internal.knative.dev/podautoscalers", "data.fluid.io/datasets", "data.fluid.io/jindoruntimes", "data.fluid.io/dataloads", "/nodes", .. activations ? ["/pods"] : Array.Empty<string>()];
        while (!kinds.All(k => record.Has($"watch {k} ")))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cluster.Deadline);
        }

        await watch.StopAsync(cluster.Deadline);
    }

    /// <summary>A version that is to be read on a node.</summary>
    private async Task ReadAsync(IKubeApi api)
    {
        var facts = ReadPlanTests.Facts();
        facts.Model.Metadata.Namespace = RightsTable.Models;
        var board = new ScaleBoard(TimeProvider.System);
        board.Take([facts.Model]);
        board.Take(null, new Delta<Dataset>.Replace([Here(facts.Dataset!)]));
        board.Take(null, new Delta<JindoRuntime>.Replace([new() { Metadata = new() { Name = facts.Version!.Dataset, Namespace = RightsTable.Models }, Status = facts.Runtime!.Status }]));
        board.Take(null, new Delta<DataLoad>.Replace([]));
        board.Take(new Delta<Node>.Replace([new() { Metadata = new() { Name = "node-1", Labels = new() { [FluidNames.WorkerLabel(RightsTable.Models, facts.Version!.Dataset!, null)] = "true" } } }]));
        using var loop = new ReadLoop(board, api, Options.Create(new ScaleOptions()), TimeProvider.System, NullLogger<ReadLoop>.Instance);
        Assert.True(await loop.TickAsync(cluster.Deadline));

        Dataset Here(Dataset dataset)
        {
            dataset.Metadata = new() { Name = facts.Version!.Dataset, Namespace = RightsTable.Models };
            return dataset;
        }
    }

    /// <summary>The catalog's reflector, until its watch is open.</summary>
    private async Task FollowAsync(IKubeApi api)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cluster.Deadline);
        var changes = new Reflector<CachedModel>(api, CatalogKinds.CachedModels, RightsTable.Models, null, TimeProvider.System, new Random(1)).RunAsync(stop.Token).GetAsyncEnumerator(stop.Token);
        Assert.True(await changes.MoveNextAsync());
        // An object that comes later is told by the watch alone.
        var next = changes.MoveNextAsync();
        var name = $"watched-{Guid.NewGuid():N}";
        await cluster.Admin.CreateAsync(Kinds.CachedModels, RightsTable.Models, new()
        {
            ["apiVersion"] = Kinds.CachedModels.ApiVersion,
            ["kind"] = "CachedModel",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["source"] = new JsonObject { ["uri"] = "oss://b/m", ["endpoint"] = "e" } },
        }, cluster.Deadline);
        Assert.True(await next);
        Assert.Equal(name, Assert.IsType<Delta<CachedModel>.Upsert>(changes.Current).Name);
        await cluster.Admin.DeleteAsync(Kinds.CachedModels, RightsTable.Models, name, null, now: true, cluster.Deadline);
        await stop.CancelAsync();
    }

    private async Task<CachedModel> ModelAsync() => (await cluster.Admin.GetAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, cluster.Deadline))!;

    private Task StatusAsync(ResourceType<JsonObject> type, string name, string status) =>
        cluster.Admin.MergePatchAsync(type, RightsTable.Models, name, $$"""{"status":{{status}}}""", "status", cluster.Deadline);

    /// <summary>The store and the gateway.</summary>
    private sealed class Outside : IUploadSource, IRevisionProver
    {
        public UploadFailure? Failure { get; set; }

        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
        {
            Assert.Equal(("AK", "SK"), (accessKeyId, accessKeySecret));
            return Task.FromResult(Failure is not null ? new UploadObservation([], Failure) : new UploadObservation(
                [new("v1", "models/bloom/v1/", "0123456789abcdef0123456789abcdef", 5, 1 << 20, true, "IndexSatisfied", "all files are there", null, TimeProvider.System.GetUtcNow(), null)], null));
        }

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) => Task.FromResult<byte[]?>(null);

        public Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken) => Task.FromResult((GoldenOutcome.Passed, ""));
    }
}
