using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>
/// A CachedModel that cannot work, on the sandbox's API server: a condition, an Event and a phase say why, nothing is made and the store is not asked;
/// the repaired spec goes on by itself.
/// </summary>
public sealed class InvalidModelTests : IAsyncLifetime
{
    private const string Good = """{"source":{"uri":"oss://b/models/bloom","endpoint":"oss-cn-hangzhou-internal.aliyuncs.com"}}""";
    private static readonly ModelKey Key = new("default", "bloom");
    private readonly ApiWorld _world = new();
    private readonly OneVersion _uploads = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Theory]
    [InlineData("source.uri", "\"oss://b//m\"", "InvalidSource", "spec.source.uri is 'oss://b//m': ")]
    [InlineData("source.endpoint", "\"b.oss-cn-hangzhou.aliyuncs.com\"", "InvalidEndpoint", "spec.source.endpoint is 'b.oss-cn-hangzhou.aliyuncs.com': ")]
    [InlineData("source.credentialsSecret", "\"No/Secret\"", "InvalidName", "spec.source.credentialsSecret is 'No/Secret': ")]
    [InlineData("cache.tier.quota", "\"1Ki\"", "QuotaTooSmall", "spec.cache.tier.quota is '1Ki': version v1 has 1.00MiB")]
    [InlineData("cache.existingDataset", "{\"name\":\"not-there\"}", "DatasetMissing", "spec.cache.existingDataset.name is 'not-there': there is no such Dataset in namespace default")]
    [InlineData("serving.modelName", "\"a/b\"", "InvalidName", "spec.serving.modelName is 'a/b': ")]
    [InlineData("serving.predictor", "{\"timeout\":-5}", "InvalidPredictor", "spec.serving.predictor.timeout is -5: ")]
    [InlineData("serving.predictor", "{\"containers\":[{\"env\":[{\"name\":7}]}]}", "InvalidPredictor", "spec.serving.predictor.containers[0].env is ")]
    public async Task Spec_CannotWork_SaidOnceNothingMadeAndARepairGoesOn(string field, string value, string reason, string message)
    {
        var line = Line();
        await CreateAsync(Key.Name, Spec(field, value));
        Assert.Equal(LineOutcome.Settled, await line.AdvanceAsync(Key, _world.Deadline));
        await SaidAsync(Key, reason, message);
        Assert.True(reason == "QuotaTooSmall" || reason == "DatasetMissing" || _uploads.Listings == 0, "the store was asked for a model that cannot work");

        // A second look says and writes nothing.
        var before = (await ModelAsync(Key)).Metadata.ResourceVersion;
        await line.AdvanceAsync(Key, _world.Deadline);
        Assert.Equal(before, (await ModelAsync(Key)).Metadata.ResourceVersion);

        await _world.Api.MergePatchAsync(CatalogKinds.CachedModels, Key.Namespace, Key.Name, Repair(field), null, _world.Deadline);
        await line.AdvanceAsync(Key, _world.Deadline);
        await GoesOnAsync(Key);
    }

    [Theory]
    [InlineData(null, "spec.source.credentialsSecret is 'keys': there is no such Secret in namespace default: make it, with the keys fs.oss.accessKeyId and fs.oss.accessKeySecret")]
    [InlineData("""{"fs.oss.accessKeyId":"aWQ="}""", "spec.source.credentialsSecret is 'keys': that Secret lacks the key fs.oss.accessKeySecret")]
    [InlineData("""{"fs.oss.accessKeyId":"aWQ=","fs.oss.accessKeySecret":""}""", "spec.source.credentialsSecret is 'keys': that Secret lacks the key fs.oss.accessKeySecret")]
    [InlineData("""{"fs.oss.accessKeyId":"*","fs.oss.accessKeySecret":"aWQ="}""", "spec.source.credentialsSecret is 'keys': that Secret lacks the key fs.oss.accessKeyId")]
    public async Task Secret_OrAKeyOfIt_Missing_SaidAndGoesOnWithIt(string? data, string message)
    {
        var line = Line();
        if (data is not null)
        {
            await SecretAsync(data);
        }

        await CreateAsync(Key.Name, Spec("source.credentialsSecret", "\"keys\""));
        await line.AdvanceAsync(Key, _world.Deadline);
        var status = (await ModelAsync(Key)).Status!;
        var condition = status.Conditions!.Single(c => c.Type == "UploadComplete");
        Assert.Equal(("Blocked", "Unknown", "CredentialsMissing"), (status.Phase, condition.Status, condition.Reason));
        Assert.StartsWith(message, condition.Message, StringComparison.Ordinal);
        await NothingMadeAsync();
        Assert.Contains(await EventsAsync(Key), e => e.Reason == "CredentialsMissing" && e.Type == "Warning" && e.Message!.StartsWith(message, StringComparison.Ordinal));

        if (data is not null)
        {
            await _world.Api.DeleteAsync(CoreKinds.Secrets, Key.Namespace, "keys", null, false, _world.Deadline);
        }

        await SecretAsync("""{"fs.oss.accessKeyId":"aWQ=","fs.oss.accessKeySecret":"aWQ="}""");
        await line.AdvanceAsync(Key, _world.Deadline);
        await GoesOnAsync(Key);
    }

    [Fact]
    public async Task Prefix_OfAnotherModel_SaidNothingMadeAndGoesOnWhenTheOtherIsGone()
    {
        await CreateAsync("first", Good);
        var first = await ModelAsync(new("default", "first"));
        await Line(first).AdvanceAsync(first.Key(), _world.Deadline);
        first = await ModelAsync(first.Key());
        Assert.Equal("oss://b/models/bloom/", first.Status!.Source);

        await CreateAsync(Key.Name, Spec("source.uri", "\"oss://b/models\""));
        await Line(first, await ModelAsync(Key)).AdvanceAsync(Key, _world.Deadline);
        await SaidAsync(Key, "PrefixClaimed", "spec.source.uri is 'oss://b/models': CachedModel default/first has oss://b/models/bloom/", made: 1);

        await Line(await ModelAsync(Key)).AdvanceAsync(Key, _world.Deadline);
        Assert.DoesNotContain((await ModelAsync(Key)).Status!.Conditions!, c => c.Type == "Invalid");
        Assert.Equal(2, (await _world.Api.ListAsync(FluidKinds.Datasets, Key.Namespace, null, _world.Deadline)).Items.Count);
    }

    [Fact]
    public async Task ServingName_OfSomebodyElsesInferenceService_SaidAndThatOneIsLeftAlone()
    {
        var line = Line();
        await _world.Api.CreateAsync(ServingKinds.InferenceServices, Key.Namespace, new()
        {
            ApiVersion = ServingKinds.InferenceServices.ApiVersion,
            Kind = ServingKinds.InferenceServices.Kind,
            Metadata = new() { Name = "theirs", Labels = new() { ["their"] = "label" } },
            Spec = new() { Predictor = new JsonObject { ["minReplicas"] = 3 } },
        }, _world.Deadline);
        var before = (await _world.Api.GetAsync(ServingKinds.InferenceServices, Key.Namespace, "theirs", _world.Deadline))!.Metadata.ResourceVersion;
        await CreateAsync(Key.Name, Spec("serving.name", "\"theirs\""));
        await line.AdvanceAsync(Key, _world.Deadline);
        await SaidAsync(Key, "ForeignObject", "spec.serving.name is 'theirs': InferenceService theirs exists and is not this model's");
        Assert.Equal(before, (await _world.Api.GetAsync(ServingKinds.InferenceServices, Key.Namespace, "theirs", _world.Deadline))!.Metadata.ResourceVersion);

        await _world.Api.MergePatchAsync(CatalogKinds.CachedModels, Key.Namespace, Key.Name, """{"spec":{"serving":{"name":"ours"}}}""", null, _world.Deadline);
        await line.AdvanceAsync(Key, _world.Deadline);
        await GoesOnAsync(Key);
    }

    [Theory]
    [InlineData("accessModes", """{"spec":{"accessModes":["Bogus"]}}""", "its accessModes are Bogus, and predictors on several nodes read it: give the Dataset ReadOnlyMany")]
    [InlineData("cleanPolicy", """{"spec":{"fuse":{"cleanPolicy":"Whenever"}}}""", "its JindoRuntime's fuse.cleanPolicy is Whenever, which Fluid does not know: write OnDemand or OnRuntimeDeleted there")]
    public async Task ExistingDataset_WithWhatTheRealCrdsTakeThoughWrong_SaidAndGoesOnWhenRepaired(string what, string patch, string message)
    {
        var line = Line();
        await _world.Api.CreateAsync(FluidKinds.Datasets, Key.Namespace, new() { ApiVersion = FluidKinds.Datasets.ApiVersion, Kind = "Dataset", Metadata = new() { Name = "oss-data" }, Spec = new() { AccessModes = ["ReadOnlyMany"] } }, _world.Deadline);
        await _world.Api.CreateAsync(FluidKinds.JindoRuntimes, Key.Namespace, new() { ApiVersion = FluidKinds.JindoRuntimes.ApiVersion, Kind = "JindoRuntime", Metadata = new() { Name = "oss-data" }, Spec = new() { Replicas = 1, Fuse = new() { CleanPolicy = "OnDemand" } } }, _world.Deadline);
        await PatchAsync(what, patch);
        await CreateAsync(Key.Name, Spec("cache.existingDataset", "{\"name\":\"oss-data\"}"));
        await line.AdvanceAsync(Key, _world.Deadline);
        await SaidAsync(Key, "UnusableDataset", $"spec.cache.existingDataset.name is 'oss-data': {message}", made: 1);

        await PatchAsync(what, patch.Replace("Bogus", "ReadWriteMany", StringComparison.Ordinal).Replace("Whenever", "OnRuntimeDeleted", StringComparison.Ordinal));
        await line.AdvanceAsync(Key, _world.Deadline);
        Assert.Equal("Warming", (await ModelAsync(Key)).Status!.Phase);
        Assert.Single((await _world.Api.ListAsync(FluidKinds.DataLoads, Key.Namespace, null, _world.Deadline)).Items);

        Task PatchAsync(string of, string merge) => of == "accessModes"
            ? _world.Api.MergePatchAsync(FluidKinds.Datasets, Key.Namespace, "oss-data", merge, null, _world.Deadline)
            : _world.Api.MergePatchAsync(FluidKinds.JindoRuntimes, Key.Namespace, "oss-data", merge, null, _world.Deadline);
    }

    [Fact]
    public async Task InvalidModel_Deleted_IsGoneAtOnce()
    {
        var line = Line();
        await CreateAsync(Key.Name, Spec("source.credentialsSecret", "\"No/Secret\""));
        await line.AdvanceAsync(Key, _world.Deadline);
        await _world.Api.DeleteAsync(CatalogKinds.CachedModels, Key.Namespace, Key.Name, null, false, _world.Deadline);
        Assert.Null(await _world.Api.GetAsync(CatalogKinds.CachedModels, Key.Namespace, Key.Name, _world.Deadline));
    }

    [Fact]
    public async Task LongestName_HasItsEventsToo()
    {
        var key = new ModelKey("default", new string('m', 253));
        await CreateAsync(key.Name, Spec("source.uri", "\"oss://b//m\""));
        await Line().AdvanceAsync(key, _world.Deadline);
        Assert.Contains(await EventsAsync(key), e => e.Reason == "InvalidSource");
    }

    private ModelLine Line(params CachedModel[] catalog) =>
        new(_world.Api, _uploads, new NeverAsked(), TimeProvider.System, NullLogger<ModelLine>.Instance, new CatalogFake(catalog));

    private async Task SaidAsync(ModelKey key, string reason, string message, int made = 0)
    {
        var status = (await ModelAsync(key)).Status!;
        var condition = status.Conditions!.Single(c => c.Type == "Invalid");
        Assert.Equal(("Blocked", "True", reason), (status.Phase, condition.Status, condition.Reason));
        Assert.StartsWith(message, condition.Message, StringComparison.Ordinal);
        Assert.Equal(("False", reason), (status.Conditions!.Single(c => c.Type == "Ready").Status, status.Conditions!.Single(c => c.Type == "Ready").Reason));
        var told = Assert.Single(await EventsAsync(key), e => e.Reason == reason);
        Assert.Equal(("Warning", 1), (told.Type, told.Count));
        Assert.StartsWith(message, told.Message, StringComparison.Ordinal);
        await NothingMadeAsync(made);
    }

    /// <param name="made">Datasets that were there before.</param>
    private async Task NothingMadeAsync(int made = 0)
    {
        Assert.Equal(made, (await _world.Api.ListAsync(FluidKinds.Datasets, Key.Namespace, null, _world.Deadline)).Items.Count);
        Assert.Equal(made, (await _world.Api.ListAsync(FluidKinds.JindoRuntimes, Key.Namespace, null, _world.Deadline)).Items.Count);
        Assert.DoesNotContain((await _world.Api.ListAsync(FluidKinds.DataLoads, Key.Namespace, null, _world.Deadline)).Items, l => l.Metadata.Labels?[Ownership.ModelLabel] == Key.Name);
        Assert.DoesNotContain((await _world.Api.ListAsync(ServingKinds.InferenceServices, Key.Namespace, null, _world.Deadline)).Items, s => s.Metadata.Labels?.ContainsKey(Ownership.ModelLabel) == true);
    }

    private async Task GoesOnAsync(ModelKey key)
    {
        var status = (await ModelAsync(key)).Status!;
        Assert.DoesNotContain(status.Conditions!, c => c.Type == "Invalid");
        Assert.Equal("Warming", status.Phase);
        Assert.Single((await _world.Api.ListAsync(FluidKinds.Datasets, key.Namespace, null, _world.Deadline)).Items);
        Assert.Single((await _world.Api.ListAsync(FluidKinds.DataLoads, key.Namespace, null, _world.Deadline)).Items);
    }

    private async Task<CachedModel> ModelAsync(ModelKey key) => (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!;

    private async Task<List<CoreEvent>> EventsAsync(ModelKey key) =>
        [.. (await _world.Api.ListAsync(CoreKinds.Events, key.Namespace, null, _world.Deadline)).Items.Where(e => e.InvolvedObject.Name == key.Name)];

    private async Task CreateAsync(string name, string spec)
    {
        using var http = _world.Http();
        using var content = new StringContent($$"""{"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"{{name}}"},"spec":{{spec}}}""", Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri($"apis/prewarm.dev/v1alpha1/namespaces/default/cachedmodels", UriKind.Relative), content, _world.Deadline);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(_world.Deadline));
    }

    private async Task SecretAsync(string data)
    {
        using var http = _world.Http();
        using var content = new StringContent($$"""{"apiVersion":"v1","kind":"Secret","metadata":{"name":"keys"},"data":{{data}}}""", Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri("api/v1/namespaces/default/secrets", UriKind.Relative), content, _world.Deadline);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(_world.Deadline));
    }

    private static string Spec(string field, string value)
    {
        var spec = JsonNode.Parse(Good)!.AsObject();
        var at = spec;
        foreach (var part in field.Split('.')[..^1])
        {
            at[part] ??= new JsonObject();
            at = at[part]!.AsObject();
        }

        at[field.Split('.')[^1]] = JsonNode.Parse(value);
        return spec.ToJsonString();
    }

    /// <summary>A merge patch that puts the field back to what the good spec has, or takes it away.</summary>
    private static string Repair(string field)
    {
        var good = field.Split('.').Aggregate(JsonNode.Parse(Good), (node, part) => node?[part])?.DeepClone();
        foreach (var part in field.Split('.').Reverse())
        {
            good = new JsonObject { [part] = good };
        }

        return new JsonObject { ["spec"] = good }.ToJsonString();
    }

    private sealed class OneVersion : IUploadSource
    {
        private readonly UploadedVersion _version = new("v1", "models/bloom/v1/", "0123456789abcdef0123456789abcdef", 5, 1 << 20, true, "IndexSatisfied", "all files are there",
            null, TimeProvider.System.GetUtcNow(), null);

        public int Listings { get; private set; }

        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
        {
            Listings++;
            return Task.FromResult(new UploadObservation([_version], null));
        }

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) => Task.FromResult<byte[]?>(null);
    }
}
