using System.Collections.Concurrent;
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
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>What a sweep costs, and what it finds, with models that are served on the sandbox's API server.</summary>
public sealed class ModelSweepTests : IAsyncLifetime
{
    private const string Ns = "default";

    /// <summary>Nodes.</summary>
    private const int ListsOfAll = 1;

    /// <summary>Datasets, JindoRuntimes, DataLoads, InferenceServices, Pods.</summary>
    private const int ListsOfAHundred = 5;

    // A thousand models are a while on their way to Serving.
    private readonly ApiWorld _world = new(TimeSpan.FromMinutes(8));
    private readonly OneVersion _uploads = new();
    private readonly CallCounter _calls = new();
    private ModelLine _line = null!;
    private KubeApi _counted = null!;

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        _line = new(_world.Api, _uploads, new NeverAsked(), TimeProvider.System, NullLogger<ModelLine>.Instance);
        _calls.InnerHandler = new ClientHandler(_world.Http());
        _counted = new(new HttpClient(_calls) { BaseAddress = _world.Server.Address });
    }

    public async ValueTask DisposeAsync()
    {
        _counted.Dispose();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Sweep_OfServedModels_CostsOneCallForEachAndAFewLists() => await CostAsync(ModelSweep.ToAList + 20, TestContext.Current.CancellationToken);

    /// <summary>The measurement: <c>dotnet test --project tests/Unit -- --explicit only --filter-class Prewarm.Tests.Unit.Pipeline.ModelSweepTests</c>.</summary>
    [Fact(Explicit = true)]
    public async Task Sweep_OfAThousandModels_StaysWithinItsCalls() => await CostAsync(1000, TestContext.Current.CancellationToken);

    [Fact]
    public async Task Sweep_OneDatasetDeleted_LooksAtThatModelAndAtNoOther()
    {
        await ServeAsync(5);
        var lost = (await ModelAsync("m2")).Status!.Versions!.Single();
        await _world.Api.DeleteAsync(FluidKinds.Datasets, Ns, lost.Dataset!, null, now: true, _world.Deadline);
        var line = new LineFake();
        await SweepAsync(line);
        Assert.Equal("m2", Assert.Single(line.Looks).Model.Name);

        await SweepAsync(_line);
        Assert.NotNull(await _world.Api.GetAsync(FluidKinds.Datasets, Ns, lost.Dataset!, _world.Deadline));
    }

    [Fact]
    public async Task Sweep_ListingForbidden_AsksForEachModelByItself()
    {
        await ServeAsync(2);
        var refusing = new NoLists(_world.Api);
        var observer = new ModelObserver(new ClusterListing(refusing, [await ModelAsync("m1")]), _uploads);
        var observed = await observer.ObserveAsync(await ModelAsync("m1"), null, null, fresh: true, _world.Deadline);
        Assert.Equal("m1", observed.Service!.Metadata.Name);
        Assert.True(refusing.Refused > 0);
    }

    [Fact]
    public async Task Sweep_OneStoreHangs_TheNextHundredGoesOn()
    {
        await ServeAsync(ModelSweep.ToAList + 1);
        var asked = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _uploads.Before = async name =>
        {
            if (Interlocked.Increment(ref asked) == ModelSweep.ToAList + 1)
            {
                all.SetResult();
            }

            // The list's first.
            if (name == "m0")
            {
                await all.Task.WaitAsync(_world.Deadline);
            }
        };
        var line = new LineFake();
        await SweepAsync(line);
        Assert.True(all.Task.IsCompletedSuccessfully);
        Assert.Empty(line.Looks);
    }

    /// <summary>One that is no label would make the API server refuse the list for all of them.</summary>
    [Fact]
    public void Selector_OfSeveralModels_NamesThemAsTheirObjectsDo()
    {
        var names = (string[])["m1", new string('a', 80)];
        var carried = names.Select(n => Ownership.Meta(new() { Metadata = new() { Name = n, Uid = "u" } }, "object", "v1", "d").Labels![Ownership.ModelLabel]).ToList();
        Assert.True(carried[1].Length <= 63);
        Assert.Equal($"{Ownership.ModelLabel} in ({carried[0]},{carried[1]}),{Ownership.ManagedByLabel}=prewarm", Ownership.Selector(names));
    }

    private async Task CostAsync(int models, CancellationToken cancellationToken)
    {
        await ServeAsync(models);
        var line = new LineFake();
        _uploads.Asked = 0;
        var began = TimeProvider.System.GetTimestamp();
        await SweepAsync(line);
        var took = TimeProvider.System.GetElapsedTime(began);

        TestContext.Current.SendDiagnosticMessage($"{models} models: {_calls.Count} API calls, {_uploads.Asked} listings, at most {_uploads.MostAtOnce} at once, {took.TotalSeconds:0.0} s");
        cancellationToken.ThrowIfCancellationRequested();
        Assert.Empty(line.Looks);
        Assert.InRange(_calls.Count, 1, models + ListsOfAll + ListsOfAHundred * (1 + (models - 1) / ModelSweep.ToAList));
        Assert.Equal(Math.Min(models, ModelSweep.ToAList), _calls.MostNamed);
        Assert.Equal(models, _uploads.Asked);
        Assert.InRange(_uploads.MostAtOnce, 1, ModelSweep.AtOnce);
    }

    private async Task SweepAsync(IModelLine line)
    {
        var models = (await _world.Api.ListAsync(CatalogKinds.CachedModels, Ns, null, _world.Deadline)).Items;
        using var sweep = new ModelSweep(_counted, _uploads, new CatalogFake([.. models]), line, TimeProvider.System, NullLogger<ModelSweep>.Instance);
        await sweep.RunAsync(_world.Deadline);
    }

    /// <summary>So many models, each with a version that serves.</summary>
    private async Task ServeAsync(int models) => await Parallel.ForAsync(0, models, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
    {
        var key = new ModelKey(Ns, $"m{i}");
        await _world.Api.CreateAsync(CatalogKinds.CachedModels, Ns, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = key.Name },
            Spec = new() { Source = new() { Uri = $"oss://b/models/{key.Name}", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" } },
        }, _world.Deadline);
        await _line.AdvanceAsync(key, _world.Deadline);
        var version = (await ModelAsync(key.Name)).Status!.Versions!.Single();
        await StatusAsync(FluidKinds.Datasets, version.Dataset!, """{"phase":"Bound","conditions":[],"cacheStates":{"cached":"2.00MiB"}}""");
        await StatusAsync(FluidKinds.JindoRuntimes, version.Dataset!, """{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}""");
        await StatusAsync(FluidKinds.DataLoads, version.DataLoad!, """{"phase":"Complete","duration":"45s","conditions":[]}""");
        await _line.AdvanceAsync(key, _world.Deadline);
        var revision = $"{key.Name}-predictor-00001";
        await _world.Api.CreateAsync(Kinds.Revisions, Ns, new()
        {
            ["apiVersion"] = Kinds.Revisions.ApiVersion,
            ["kind"] = Kinds.Revisions.Kind,
            ["metadata"] = new JsonObject { ["name"] = revision, ["annotations"] = new JsonObject { [Ownership.DigestAnnotation] = version.Digest } },
            ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["image"] = "predictor" }) },
        }, _world.Deadline);
        await StatusAsync(Kinds.Revisions, revision, """{"conditions":[{"type":"Ready","status":"True"}]}""");
        await StatusAsync(ServingKinds.InferenceServices, key.Name,
            """{"url":"http://NAME.example.com","conditions":[{"type":"Ready","status":"True"}],"components":{"predictor":{"latestCreatedRevision":"REV","latestReadyRevision":"REV","latestRolledoutRevision":"REV","traffic":[{"revisionName":"REV","percent":100,"latestRevision":true}]}}}"""
                .Replace("REV", revision, StringComparison.Ordinal).Replace("NAME", key.Name, StringComparison.Ordinal));
        await _line.AdvanceAsync(key, _world.Deadline);
        Assert.Equal("Serving", (await ModelAsync(key.Name)).Status!.Phase);
    });

    private async Task<CachedModel> ModelAsync(string name) => (await _world.Api.GetAsync(CatalogKinds.CachedModels, Ns, name, _world.Deadline))!;

    private Task StatusAsync<T>(ResourceType<T> type, string name, string status) where T : class =>
        _world.Api.MergePatchAsync(type, Ns, name, $$"""{"status":{{status}}}""", "status", _world.Deadline);

    private sealed class OneVersion : IUploadSource
    {
        private readonly UploadedVersion _version = new("v1", "", "0123456789abcdef0123456789abcdef", 5, 1 << 20, true, "MarkerPresent", "all files are there", null, DateTimeOffset.UnixEpoch, null);
        private int _asked, _atOnce;

        public int Asked { get => _asked; set => (_asked, MostAtOnce) = (value, 0); }

        public int MostAtOnce { get; private set; }

        /// <summary>Waited for, with the model's name, before an answer.</summary>
        public Func<string, Task>? Before { get; set; }

        public async Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            var now = Interlocked.Increment(ref _atOnce);
            MostAtOnce = Math.Max(MostAtOnce, now);
            await Task.Yield();
            await (Before?.Invoke(model.Metadata.Name!) ?? Task.CompletedTask);
            Interlocked.Decrement(ref _atOnce);
            return new([_version with { Prefix = $"models/{model.Metadata.Name}/v1/" }], null);
        }

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) => Task.FromResult<byte[]?>(null);
    }

    private sealed class CallCounter : DelegatingHandler
    {
        private readonly ConcurrentBag<int> _named = [];
        private int _count;

        public int Count => _count;

        /// <summary>Models in the selector of one list.</summary>
        public int MostNamed => _named.Max();

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _count);
            var query = Uri.UnescapeDataString(request.RequestUri!.Query);
            if (query.Split($"{Ownership.ModelLabel} in (") is [_, var names])
            {
                _named.Add(names.Split(')')[0].Split(',').Length);
            }

            return base.SendAsync(request, cancellationToken);
        }
    }

    /// <summary>Sends with a client that has its credentials.</summary>
    private sealed class ClientHandler(HttpClient client) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var copy = new HttpRequestMessage(request.Method, request.RequestUri) { Content = request.Content };
            return client.SendAsync(copy, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            client.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class NoLists(IKubeReader api) : IKubeReader
    {
        private readonly ConcurrentDictionary<string, bool> _bulk = new();
        private int _refused;

        public int Refused => _refused;

        public Task<T?> GetAsync<T>(ResourceType<T> type, string? ns, string name, CancellationToken cancellationToken) where T : class => api.GetAsync(type, ns, name, cancellationToken);

        public Task<KubeList<T>> ListAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, CancellationToken cancellationToken) where T : class
        {
            // The first list of a kind is the one for all models.
            if (_bulk.TryAdd(type.Plural, true))
            {
                Interlocked.Increment(ref _refused);
                throw new KubeApiException(System.Net.HttpStatusCode.Forbidden, "Forbidden", "may not list all");
            }

            return api.ListAsync(type, ns, labelSelector, cancellationToken);
        }
    }
}
