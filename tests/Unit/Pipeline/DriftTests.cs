using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>One look, as the sweep takes it, puts right what is ours and leaves alone what is not: on an API server with field ownership.</summary>
public sealed class DriftTests : IAsyncLifetime
{
    private const string Digest = "0123456789abcdef0123456789abcdef";
    private static readonly ModelKey s_key = new("default", "bloom");
    private static readonly string s_dataset = FluidNames.Dataset("bloom", Digest);
    private static readonly Dictionary<string, (ResourceType<JsonObject> Type, string Name)> s_ours = new()
    {
        ["Dataset"] = (Kinds.Datasets, s_dataset),
        ["JindoRuntime"] = (Kinds.JindoRuntimes, s_dataset),
        ["DataLoad"] = (Kinds.DataLoads, FluidNames.DataLoad(s_dataset)),
        ["InferenceService"] = (Kinds.InferenceServices, "bloom"),
    };

    private readonly ApiWorld _world = new();

    public static TheoryData<string, string> Edits()
    {
        var edits = new TheoryData<string, string>
        {
            { "Dataset", """{"spec":{"placement":"Exclusive"}}""" },
            { "Dataset", """{"spec":{"mounts":[{"name":"bloom","mountPoint":"oss://b/models/other"}]}}""" },
            { "JindoRuntime", """{"spec":{"replicas":7}}""" },
            { "JindoRuntime", """{"spec":{"fuse":{"cleanPolicy":"OnRuntimeDeleted"}}}""" },
            { "DataLoad", """{"spec":{"loadMetadata":false}}""" },
            { "DataLoad", """{"spec":{"target":[{"path":"/other","replicas":1}]}}""" },
            { "InferenceService", """{"spec":{"predictor":{"minReplicas":3}}}""" },
            { "InferenceService", """{"spec":{"predictor":{"containers":[{"name":"kserve-container","env":[{"name":"STORAGE_URI","value":"pvc://other/m"}]}]}}}""" },
        };
        foreach (var kind in s_ours.Keys)
        {
            edits.Add(kind, """{"metadata":{"labels":{"prewarm.dev/model":null}}}""");
            edits.Add(kind, """{"metadata":{"labels":{"app.kubernetes.io/managed-by":"somebody"}}}""");
            edits.Add(kind, """{"metadata":{"annotations":{"prewarm.dev/digest":null}}}""");
            edits.Add(kind, """{"metadata":{"ownerReferences":null}}""");
        }

        return edits;
    }

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        await _world.Api.CreateAsync(CatalogKinds.CachedModels, s_key.Namespace, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = s_key.Name },
            Spec = new() { Source = new() { Uri = "oss://b/models/bloom", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" }, Serving = new() { Name = "bloom" } },
        }, _world.Deadline);
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Theory]
    [MemberData(nameof(Edits))]
    public async Task SomebodyEditsWhatIsOurs_PutRightByOneLook(string kind, string edit)
    {
        await ServeAsync();
        var (type, name) = s_ours[kind];
        var before = Said(await ReadAsync(kind));
        await _world.Api.MergePatchAsync(type, s_key.Namespace, name, edit, null, _world.Deadline);
        Assert.False(JsonNode.DeepEquals(before, Said(await ReadAsync(kind))), "the edit changes nothing");
        await LookAsync();
        var after = Said(await ReadAsync(kind));
        Assert.True(JsonNode.DeepEquals(before, after), $"{after?.ToJsonString()}\nand not\n{before?.ToJsonString()}");
        await SettledAsync();
    }

    [Theory]
    [InlineData("Dataset")]
    [InlineData("JindoRuntime")]
    [InlineData("DataLoad")]
    [InlineData("InferenceService")]
    public async Task SomebodyDeletesWhatIsOurs_MadeAgainByOneLook(string kind)
    {
        await ServeAsync();
        var (type, name) = s_ours[kind];
        var before = await ReadAsync(kind);
        await _world.Api.DeleteAsync(type, s_key.Namespace, name, null, now: true, _world.Deadline);
        Assert.Null(await ReadAsync(kind));
        await LookAsync();
        var after = await ReadAsync(kind);
        Assert.NotEqual(before.Text("metadata", "uid"), after.Text("metadata", "uid"));
        Assert.True(JsonNode.DeepEquals(Said(before), Said(after)), $"{after?.ToJsonString()}\nand not\n{before?.ToJsonString()}");
    }

    [Theory]
    [InlineData("Dataset", """{"dataRestoreLocation":{"path":"local:///backup"}}""")]
    [InlineData("JindoRuntime", """{"hadoopConfig":"core-site"}""")]
    [InlineData("DataLoad", """{"options":{"atomicCache":"true"}}""")]
    [InlineData("InferenceService", """{"predictor":{"maxReplicas":4}}""")]
    public async Task SomebodyAddsFieldsLabelsAnnotations_LeftAlone(string kind, string spec)
    {
        await ServeAsync();
        var (type, name) = s_ours[kind];
        await _world.Api.ApplyAsync(type, s_key.Namespace, name, new()
        {
            ["apiVersion"] = type.ApiVersion,
            ["kind"] = type.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["labels"] = new JsonObject { ["team"] = "vision" }, ["annotations"] = new JsonObject { ["example.com/note"] = "ours" } },
            ["spec"] = JsonNode.Parse(spec),
        }, "team", false, null, _world.Deadline);
        var before = await ReadAsync(kind);
        Assert.True(JsonSubset.Covers(before.At("spec"), JsonNode.Parse(spec)), before!.ToJsonString());
        await SettledAsync();

        // Also when something of ours is put right beside it.
        await _world.Api.MergePatchAsync(type, s_key.Namespace, name, """{"metadata":{"annotations":{"prewarm.dev/digest":"other"}}}""", null, _world.Deadline);
        await LookAsync();
        Assert.True(JsonNode.DeepEquals(Said(before), Said(await ReadAsync(kind))), "something of theirs is gone");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FieldLeavesTheSpec_GoesFromWhatWeMade_AlsoWhenNobodyMightActMeanwhile(bool paused)
    {
        await _world.Api.CreateAsync(Kinds.Secrets, s_key.Namespace, JsonNode.Parse("""{"apiVersion":"v1","kind":"Secret","metadata":{"name":"access-key"},"data":{"fs.oss.accessKeyId":"YQ==","fs.oss.accessKeySecret":"Yg=="}}""")!.AsObject(), _world.Deadline);
        await ChangeAsync("""{"spec":{"source":{"credentialsSecret":"access-key"},"serving":{"predictor":{"maxReplicas":4,"nodeSelector":{"gpu":"a10"}}}}}""");
        await ServeAsync();
        Assert.NotNull((await ReadAsync("InferenceService")).At("spec", "predictor", "nodeSelector"));
        Assert.Contains("access-key", (await ReadAsync("Dataset")).At("spec")!.ToJsonString(), StringComparison.Ordinal);

        await ChangeAsync($$$"""{"metadata":{"annotations":{"prewarm.dev/paused":"{{{(paused ? "true" : "false")}}}"}},"spec":{"source":{"credentialsSecret":null},"serving":{"predictor":{"maxReplicas":null,"nodeSelector":null} } } }""");
        await LookAsync();
        await ChangeAsync("""{"metadata":{"annotations":{"prewarm.dev/paused":null}}}""");
        await LookAsync();
        var predictor = (await ReadAsync("InferenceService")).At("spec", "predictor")!;
        Assert.Null(predictor["nodeSelector"]);
        Assert.Null(predictor["maxReplicas"]);
        Assert.DoesNotContain("access-key", (await ReadAsync("Dataset")).At("spec")!.ToJsonString(), StringComparison.Ordinal);
        await SettledAsync();
    }

    [Fact]
    public async Task SpecChanges_WithoutConcerningWhatWeMade_NothingIsWrittenToIt()
    {
        await ServeAsync();
        var before = await Task.WhenAll(s_ours.Keys.Select(ReadAsync));
        await ChangeAsync("""{"spec":{"rollout":{"readyTimeoutSeconds":900}}}""");
        await LookAsync();
        Assert.Equal(before.Select(o => o!.ToJsonString()), (await Task.WhenAll(s_ours.Keys.Select(ReadAsync))).Select(o => o!.ToJsonString()));
    }

    [Fact]
    public async Task SomebodySplitsTheTraffic_AllGoesToWhatServes()
    {
        await ServeAsync();
        await _world.Api.MergePatchAsync(Kinds.InferenceServices, s_key.Namespace, "bloom", """{"spec":{"predictor":{"canaryTrafficPercent":50}}}""", null, _world.Deadline);
        await LookAsync();
        Assert.Contains((await ReadAsync("InferenceService")).Text("spec", "predictor", "canaryTrafficPercent"), (string?[])[null, "100"]);
        await SettledAsync();
    }

    [Theory]
    [InlineData("Dataset", false)]
    [InlineData("Dataset", true)]
    [InlineData("JindoRuntime", false)]
    [InlineData("JindoRuntime", true)]
    [InlineData("DataLoad", false)]
    [InlineData("DataLoad", true)]
    [InlineData("InferenceService", false)]
    [InlineData("InferenceService", true)]
    public async Task NameIsSomebodyElses_LeftAloneAndSaid_AlsoWhenTheModelGoes(string kind, bool labelledAsOurs)
    {
        var (type, name) = s_ours[kind];
        var theirs = await _world.Api.CreateAsync(Kinds.ServiceAccounts, s_key.Namespace, new() { ["metadata"] = new JsonObject { ["name"] = "their-operator" } }, _world.Deadline);
        var meta = new JsonObject { ["name"] = name };
        if (labelledAsOurs)
        {
            meta["labels"] = new JsonObject { ["prewarm.dev/model"] = s_key.Name, ["app.kubernetes.io/managed-by"] = "prewarm" };
            meta["ownerReferences"] = new JsonArray(new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "ServiceAccount",
                ["name"] = "their-operator",
                ["uid"] = theirs.Text("metadata", "uid"),
                ["controller"] = true,
            });
        }

        JsonObject spec = kind switch
        {
            "DataLoad" => new() { ["dataset"] = new JsonObject { ["name"] = "theirs", ["namespace"] = s_key.Namespace } },
            "InferenceService" => new() { ["predictor"] = new JsonObject { ["minReplicas"] = 1 } },
            _ => [],
        };
        await _world.Api.CreateAsync(type, s_key.Namespace, new() { ["apiVersion"] = type.ApiVersion, ["kind"] = type.Kind, ["metadata"] = meta, ["spec"] = spec }, _world.Deadline);
        var before = await ReadAsync(kind);
        await LookAsync();
        await LookAsync();
        Assert.Equal(before!.ToJsonString(), (await ReadAsync(kind))?.ToJsonString());
        var ready = (await ModelAsync())!.Status!.Conditions!.Find(c => c.Type == "Ready")!;
        Assert.Equal(("False", "ForeignObject"), (ready.Status, ready.Reason));
        Assert.Contains($"{kind} {name} exists and is not this model's", ready.Message, StringComparison.Ordinal);

        await _world.Api.DeleteAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, null, now: false, _world.Deadline);
        await LookAsync();
        Assert.Null(await ModelAsync());
        Assert.Equal(before.ToJsonString(), (await ReadAsync(kind))?.ToJsonString());
    }

    [Fact]
    public async Task DeletedWhileNobodyLooked_TakenApartByOneLookOfTheNextProcess()
    {
        await ServeAsync();
        await _world.Api.DeleteAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, null, now: false, _world.Deadline);
        Assert.NotNull(await ModelAsync());
        await LookAsync();
        Assert.Null(await ModelAsync());
        foreach (var kind in s_ours.Keys)
        {
            Assert.Null(await ReadAsync(kind));
        }
    }

    private Task ChangeAsync(string patch) => _world.Api.MergePatchAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, patch, null, _world.Deadline);

    /// <summary>A look by a process that knows nothing: as after a restart.</summary>
    private async Task LookAsync()
    {
        var outside = new Outside();
        var line = new ModelLine(_world.Api, outside, outside, TimeProvider.System, NullLogger<ModelLine>.Instance);
        Assert.NotEqual(LineOutcome.Transient, await line.AdvanceAsync(s_key, _world.Deadline));
    }

    /// <summary>Another look writes nothing.</summary>
    private async Task SettledAsync()
    {
        await LookAsync();
        var before = await VersionsAsync();
        await LookAsync();
        Assert.Equal(before, await VersionsAsync());
    }

    private async Task<string> VersionsAsync()
    {
        var versions = new List<string?> { (await ModelAsync())!.Metadata.ResourceVersion };
        foreach (var kind in s_ours.Keys)
        {
            versions.Add((await ReadAsync(kind)).Text("metadata", "resourceVersion"));
        }

        return string.Join(" ", versions);
    }

    private async Task ServeAsync()
    {
        await LookAsync();
        await StatusAsync(Kinds.Datasets, s_dataset, """{"phase":"Bound","conditions":[],"cacheStates":{"cached":"2.00MiB"}}""");
        await StatusAsync(Kinds.JindoRuntimes, s_dataset, """{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}""");
        await StatusAsync(Kinds.DataLoads, FluidNames.DataLoad(s_dataset), """{"phase":"Complete","duration":"45s","conditions":[]}""");
        await LookAsync();
        const string revision = "bloom-predictor-00001";
        await _world.Api.CreateAsync(Kinds.Revisions, s_key.Namespace, new()
        {
            ["apiVersion"] = Kinds.Revisions.ApiVersion,
            ["kind"] = "Revision",
            ["metadata"] = new JsonObject { ["name"] = revision, ["annotations"] = new JsonObject { ["prewarm.dev/digest"] = Digest } },
            ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["image"] = "i" }) },
        }, _world.Deadline);
        await StatusAsync(Kinds.Revisions, revision, """{"conditions":[{"type":"Ready","status":"True"}]}""");
        await StatusAsync(Kinds.InferenceServices, "bloom", $$"""
            {"url":"http://bloom.default.example.com","conditions":[{"type":"Ready","status":"True"}],"components":{"predictor":{"latestCreatedRevision":"{{revision}}",
             "latestReadyRevision":"{{revision}}","latestRolledoutRevision":"{{revision}}","traffic":[{"revisionName":"{{revision}}","latestRevision":true,"percent":100}]} } }
            """);
        await LookAsync();
        Assert.Equal("v1", (await ModelAsync())!.Status!.Version);
    }

    private Task StatusAsync(ResourceType<JsonObject> type, string name, string status) =>
        _world.Api.MergePatchAsync(type, s_key.Namespace, name, $$"""{"status":{{status}}}""", "status", _world.Deadline);

    private Task<CachedModel?> ModelAsync() => _world.Api.GetAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, _world.Deadline);

    private Task<JsonObject?> ReadAsync(string kind) => _world.Api.GetAsync(s_ours[kind].Type, s_key.Namespace, s_ours[kind].Name, _world.Deadline);

    /// <summary>What people and we say about an object, without what the server notes.</summary>
    private static JsonObject? Said(JsonObject? obj) => obj is null ? null : new()
    {
        ["labels"] = obj.At("metadata", "labels")?.DeepClone(),
        ["annotations"] = obj.At("metadata", "annotations")?.DeepClone(),
        ["ownerReferences"] = obj.At("metadata", "ownerReferences")?.DeepClone(),
        ["spec"] = obj["spec"]?.DeepClone(),
    };

    /// <summary>The store and the gateway.</summary>
    private sealed class Outside : IUploadSource, IRevisionProver
    {
        private static readonly DateTimeOffset s_uploaded = new(2026, 11, 24, 8, 0, 0, TimeSpan.Zero);

        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken) => Task.FromResult(new UploadObservation(
            [new("v1", "models/bloom/v1/", Digest, 5, 1 << 20, true, "IndexSatisfied", "all files are there", null, s_uploaded, null)], null));

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) => Task.FromResult<byte[]?>(null);

        public Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken) => Task.FromResult((GoldenOutcome.Passed, ""));
    }
}
