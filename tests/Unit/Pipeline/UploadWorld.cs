using System.Text;
using System.Text.Json.Nodes;
using Amazon.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Relay;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;
using VersionStatus = Prewarm.Functions.Catalog.VersionStatus;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>
/// The line as it is, on the sandbox's object store and API server, with one clock for line and store that the test moves. The test plays Fluid and KServe,
/// and everything that was ever made or served is remembered.
/// </summary>
internal sealed class UploadWorld : IAsyncDisposable
{
    public const string Bucket = "fluid-demo";
    private const string Index = """{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}""";
    private static readonly ModelKey s_key = new("default", "bloom");
    private readonly ApiWorld _api = new();
    private readonly SortedDictionary<string, string> _loads = new(StringComparer.Ordinal);
    private Store _store = null!;
    private S3UploadSource _source = null!;
    private ModelLine _line = null!;
    private S3UploadSource _otherSource = null!;
    private ModelLine _other = null!;

    public FakeTimeProvider Time { get; } = new(DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()));

    public AmazonS3Client S3 { get; private set; } = null!;

    public CancellationToken Deadline => _api.Deadline;

    /// <summary>The version of every DataLoad that ever was, one entry an object.</summary>
    public IReadOnlyCollection<string> Loads => _loads.Values;

    /// <summary>Versions that the InferenceService ever named, in order, without repetition in a row.</summary>
    public List<string> RolledOut { get; } = [];

    /// <summary>Versions that were ever served, in the same way.</summary>
    public List<string> Served { get; } = [];

    public CachedModelStatus Status { get; private set; } = new();

    /// <summary>What happens while golden questions are asked; null: there are none.</summary>
    public Func<Task>? WhileAsked { get; set; }

    public static async Task<UploadWorld> StartAsync(string layout = "Folders", string when = "Auto", Action<SourceSpec>? change = null)
    {
        var world = new UploadWorld();
        await world._api.StartAsync();
        world._store = await Store.StartAsync(new() { Bucket = Bucket, Time = world.Time }, world.Deadline);
        var options = new ObjectStoreOptions { Endpoint = world._store.Endpoint.ToString() };
        world._source = new(options, world.Time);
        world.S3 = StoreClient.Connect(StoreEndpoint.Parse(options.Endpoint)!, world._store.AccessKeyId, world._store.AccessKeySecret, options, TimeProvider.System);
        world._otherSource = new(options, world.Time);
        world._other = new(world._api.Api, world._otherSource, new Asked(world), world.Time, NullLogger<ModelLine>.Instance);
        world._line = new(world._api.Api, world._source, new Asked(world), world.Time, NullLogger<ModelLine>.Instance);
        await world._api.Api.CreateAsync(CoreKinds.Secrets, s_key.Namespace, new()
        {
            ApiVersion = "v1",
            Kind = "Secret",
            Metadata = new() { Name = "access-key" },
            Data = new() { [SourceSecret.IdKey] = Base64(world._store.AccessKeyId), [SourceSecret.SecretKey] = Base64(world._store.AccessKeySecret) },
        }, world.Deadline);
        var source = new SourceSpec
        {
            Uri = $"oss://{Bucket}/m",
            Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com",
            CredentialsSecret = "access-key",
            Versions = layout,
            Complete = new() { When = when, QuietSeconds = 6 },
        };
        change?.Invoke(source);
        await world._api.Api.CreateAsync(CatalogKinds.CachedModels, s_key.Namespace, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = s_key.Name },
            Spec = new()
            {
                Source = source,
                Serving = new() { Predictor = (JsonObject)JsonNode.Parse("""{"containers":[{"name":"kserve-container","image":"i"}]}""")! },
            },
        }, world.Deadline);
        return world;
    }

    public async ValueTask DisposeAsync()
    {
        S3.Dispose();
        _source.Dispose();
        _otherSource.Dispose();
        await _store.DisposeAsync();
        await _api.DisposeAsync();
    }

    public Task PutAsync(string key, string text) => S3.PutObjectAsync(new() { BucketName = Bucket, Key = key, ContentBody = text, UseChunkEncoding = false }, Deadline);

    /// <summary>A whole version, a second before now.</summary>
    public async Task UploadAsync(string folder, string weights)
    {
        Time.Advance(TimeSpan.FromSeconds(1));
        await PutAsync($"{folder}/s1.safetensors", weights);
        await PutAsync($"{folder}/s2.safetensors", weights);
        await PutAsync($"{folder}/x.index.json", Index);
    }

    public async Task<string> BeginAsync(string key)
    {
        var id = (await S3.InitiateMultipartUploadAsync(Bucket, key, Deadline)).UploadId;
        await PartAsync(key, id, 1);
        return id;
    }

    public Task PartAsync(string key, string id, int number) => S3.UploadPartAsync(
        new() { BucketName = Bucket, Key = key, UploadId = id, PartNumber = number, InputStream = new MemoryStream([1, 2, 3]), UseChunkEncoding = false }, Deadline);

    /// <summary>One look, after this long; at least as long as listings are apart.</summary>
    public async Task LookAsync(TimeSpan? after = null)
    {
        Time.Advance(after ?? ListingPace.Interval);
        Assert.Equal(LineOutcome.Settled, await _line.AdvanceAsync(s_key, Deadline));
        await RememberAsync();
    }

    /// <summary>Looks, and plays Fluid and KServe, until this version serves.</summary>
    public async Task ServeAsync(string version, Func<Task>? each = null)
    {
        for (var round = 0; round < 12; round++)
        {
            await LookAsync();
            if (Status.Version == version && Condition("Ready") is { Status: "True" })
            {
                return;
            }

            await PlayFluidAsync();
            await PlayKServeAsync();
            await (each?.Invoke() ?? Task.CompletedTask);
        }

        Assert.Fail($"{version} does not serve: {string.Join("; ", Status.Conditions!.Select(c => $"{c.Type} {c.Status} {c.Reason}: {c.Message}"))}");
    }

    public IModelLine Line => _line;

    /// <summary>The sweep's part of a process that has the model from its watch as it is now.</summary>
    public async Task<ModelSweep> SweepAsync(IModelLine? line = null) => new(_api.Api, _source, new CatalogFake(await ModelAsync()), line ?? _line, Time, NullLogger<ModelSweep>.Instance);

    public async Task<CachedModel> ModelAsync() => (await _api.Api.GetAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, Deadline))!;

    /// <summary>A look that an event asks for which lets it wait so long; the clock stands still.</summary>
    public Task<LineOutcome> AskAsync(TimeSpan patience) => _line.AdvanceAsync(s_key, null, patience, Deadline);

    /// <summary>Listings of the model's prefix, as the store counts them.</summary>
    public int Listings => _store.Listings.Of(Bucket, "m/").Count;

    /// <summary>Bytes of objects that were read.</summary>
    public long BytesRead(string prefix) => _store.BytesReadUnder(Bucket, prefix);

    /// <summary>Lets the clock go on in small steps until these looks have ended.</summary>
    public async Task RememberAfterAsync(params Task[] looks)
    {
        while (!looks.All(l => l.IsCompleted))
        {
            Time.Advance(TimeSpan.FromMilliseconds(50));
            await Task.WhenAny(Task.WhenAll(looks), Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Deadline));
        }

        await Task.WhenAll(looks);
        await RememberAsync();
    }

    /// <summary>A look of another process, with listings of its own, that no upload asks for. The clock goes on until it ends: its listing may have to wait.</summary>
    public async Task OtherAsync()
    {
        var look = _other.AdvanceAsync(s_key, null, fresh: false, Deadline);
        await RememberAfterAsync(look);
        Assert.Equal(LineOutcome.Settled, await look);
    }

    public ModelCondition? Condition(string type) => Status.Conditions?.Find(c => c.Type == type);

    public VersionStatus Version(string name) => Status.Versions!.Find(v => v.Name == name)!;

    public async Task ChangeAsync(string patch) =>
        await _api.Api.MergePatchAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, patch, null, Deadline);

    /// <summary>Grows with every write of anybody to anything.</summary>
    public long Writes => _api.Server.Store.Version;

    /// <summary>The version that the InferenceService describes, and its share; null: all traffic.</summary>
    public async Task<(string? Digest, int? Share)> ServiceAsync()
    {
        var service = Assert.Single((await _api.Api.ListAsync(ServingKinds.InferenceServices, s_key.Namespace, null, Deadline)).Items);
        return (service.Metadata.Annotations!.GetValueOrDefault(Ownership.DigestAnnotation), (int?)service.Spec!.Predictor!["canaryTrafficPercent"]);
    }

    public async Task<IReadOnlyList<string>> DatasetsAsync() =>
        [.. (await _api.Api.ListAsync(FluidKinds.Datasets, s_key.Namespace, null, Deadline)).Items.Select(d => d.Metadata.Labels!["prewarm.dev/version"]).Order(StringComparer.Ordinal)];

    public async Task PlayFluidAsync()
    {
        foreach (var version in (Status.Versions ?? []).Where(v => v.Dataset is not null))
        {
            if (await _api.Api.GetAsync(FluidKinds.Datasets, s_key.Namespace, version.Dataset!, Deadline) is null)
            {
                continue;
            }

            await PatchAsync(FluidKinds.Datasets, version.Dataset!, new() { ["phase"] = "Bound", ["conditions"] = new JsonArray(), ["cacheStates"] = new JsonObject { ["cached"] = ByteSize.Format(2.0 * version.Bytes!.Value) } });
            await PatchAsync(FluidKinds.JindoRuntimes, version.Dataset!, JsonNode.Parse("""{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}""")!.AsObject());
            await PatchAsync(FluidKinds.DataLoads, version.DataLoad!, new() { ["phase"] = "Complete", ["duration"] = "45s", ["conditions"] = new JsonArray() });
        }
    }

    /// <summary>A Revision of what the InferenceService describes now, Ready at once; its traffic as canaryTrafficPercent wants it.</summary>
    public async Task PlayKServeAsync()
    {
        var services = (await _api.Api.ListAsync(ServingKinds.InferenceServices, s_key.Namespace, null, Deadline)).Items;
        if (services is not [var service])
        {
            return;
        }

        var name = $"{service.Metadata.Name}-predictor-{service.Metadata.Annotations![Ownership.DigestAnnotation][..8]}";
        if (await _api.Api.GetAsync(ServingKinds.Revisions, s_key.Namespace, name, Deadline) is null)
        {
            await _api.Api.CreateAsync(ServingKinds.Revisions, s_key.Namespace, new()
            {
                ApiVersion = ServingKinds.Revisions.ApiVersion,
                Kind = ServingKinds.Revisions.Kind,
                Metadata = new() { Name = name, Annotations = service.Metadata.Annotations },
            }, Deadline);
        }

        await PatchAsync(ServingKinds.Revisions, name, JsonNode.Parse("""{"conditions":[{"type":"Ready","status":"True"}]}""")!.AsObject());
        var before = service.Status?.Components?.GetValueOrDefault("predictor")?.LatestRolledoutRevision;
        var canary = (int?)service.Spec!.Predictor!["canaryTrafficPercent"] == 0 && before is not null && before != name;
        var traffic = new JsonArray { new JsonObject { ["revisionName"] = name, ["latestRevision"] = true, ["percent"] = canary ? 0 : 100, ["tag"] = "latest", ["url"] = "http://latest-bloom-predictor.default.example.com" } };
        if (canary)
        {
            traffic.Add((JsonNode)new JsonObject { ["revisionName"] = before, ["percent"] = 100, ["tag"] = "prev" });
        }

        await PatchAsync(ServingKinds.InferenceServices, service.Metadata.Name!, new()
        {
            ["url"] = "http://bloom.default.example.com",
            ["conditions"] = JsonNode.Parse("""[{"type":"Ready","status":"True"}]"""),
            ["components"] = new JsonObject
            {
                ["predictor"] = new JsonObject { ["latestCreatedRevision"] = name, ["latestReadyRevision"] = name, ["latestRolledoutRevision"] = canary ? before : name, ["traffic"] = traffic },
            },
        });
    }

    private async Task PatchAsync<T>(ResourceType<T> kind, string name, JsonObject status)
        where T : class
    {
        await _api.Api.MergePatchAsync(kind, s_key.Namespace, name, new JsonObject { ["status"] = status }.ToJsonString(), "status", Deadline);
    }

    private async Task RememberAsync()
    {
        Status = (await _api.Api.GetAsync(CatalogKinds.CachedModels, s_key.Namespace, s_key.Name, Deadline))!.Status!;
        foreach (var load in (await _api.Api.ListAsync(FluidKinds.DataLoads, s_key.Namespace, null, Deadline)).Items)
        {
            _loads[load.Metadata.Uid!] = load.Metadata.Labels!["prewarm.dev/version"];
        }

        foreach (var service in (await _api.Api.ListAsync(ServingKinds.InferenceServices, s_key.Namespace, null, Deadline)).Items)
        {
            Add(RolledOut, Status.Versions!.FindLast(v => v.Digest == service.Metadata.Annotations![Ownership.DigestAnnotation])?.Name ?? "?");
        }

        Add(Served, Status.Version);
    }

    private static void Add(List<string> list, string? version)
    {
        if (version is not null && list.LastOrDefault() != version)
        {
            list.Add(version);
        }
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    /// <summary>Answers every golden question as expected.</summary>
    private sealed class Asked(UploadWorld world) : IRevisionProver
    {
        public async Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken)
        {
            await (world.WhileAsked ?? throw new InvalidOperationException("there is no golden.jsonl"))();
            return (GoldenOutcome.Passed, "1 golden predictions passed");
        }
    }
}
