using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>The line on the sandbox's API server, the test playing Fluid: what it tells besides the objects it makes.</summary>
public sealed class LineOnApiTests : IAsyncLifetime
{
    private const string Upload = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private const string Later = "00-11111111111111111111111111111111-2222222222222222-01";
    private static readonly ModelKey Key = new("default", "traced");
    private readonly ApiWorld _world = new();
    private readonly OneVersion _uploads = new();
    private ModelLine _line = null!;

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        _line = new(_world.Api, _uploads, new NeverAsked(), TimeProvider.System, NullLogger<ModelLine>.Instance);
        await _world.Api.CreateAsync(CatalogKinds.CachedModels, Key.Namespace, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = Key.Name },
            Spec = new() { Source = new() { Uri = "oss://b/models/bloom", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" } },
        }, _world.Deadline);
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Trace_OfTheUpload_HoldsEveryObjectItCaused()
    {
        var spans = new Spans();
        using var provider = Sdk.CreateTracerProviderBuilder().AddSource(LineTracing.Source.Name).AddProcessor(new SimpleActivityExportProcessor(spans)).Build();
        await _line.AdvanceAsync(Key, Upload, true, _world.Deadline);
        await PlayFluidAsync();
        // Fluid's change wakes the next look; what it makes still belongs to the upload.
        await _line.AdvanceAsync(Key, Later, true, _world.Deadline);

        var mine = spans.All.Where(s => (string?)s.GetTagItem("prewarm.model") == Key.ToString()).ToList();
        var upload = ActivityContext.Parse(Upload, null).TraceId;
        foreach (var name in (string[])["apply Dataset", "apply JindoRuntime", "apply DataLoad", "apply InferenceService"])
        {
            Assert.Equal(upload, Assert.Single(mine, s => s.DisplayName == name).TraceId);
        }

        var service = mine.Single(s => s.DisplayName == "apply InferenceService");
        Assert.Equal(ActivityContext.Parse(Later, null).TraceId, Assert.Single(service.Links).Context.TraceId);
        Assert.Equal(Upload, (await ModelAsync()).Status!.Versions!.Single().Traceparent);
    }

    [Fact]
    public async Task Trace_OfAChangeInTheCluster_DoesNotBecomeTheUploads()
    {
        _uploads.Complete = false;
        await _line.AdvanceAsync(Key, Later, false, _world.Deadline);
        Assert.Null((await ModelAsync()).Status!.Versions!.Single().Traceparent);
        await _line.AdvanceAsync(Key, Upload, true, _world.Deadline);
        Assert.Equal(Upload, (await ModelAsync()).Status!.Versions!.Single().Traceparent);
    }

    [Fact]
    public async Task Events_StageChanges_SaidOnceAndARepeatedLookWritesNothing()
    {
        await _line.AdvanceAsync(Key, _world.Deadline);
        var said = await EventsAsync();
        Assert.Contains(said, e => e is { Reason: "IndexSatisfied", Type: "Normal", Count: 1, Source.Component: "prewarm" });
        var uid = (await ModelAsync()).Metadata.Uid;
        Assert.All(said, e => Assert.Equal((Key.Name, "CachedModel", uid), (e.InvolvedObject.Name, e.InvolvedObject.Kind, e.InvolvedObject.Uid)));

        await _line.AdvanceAsync(Key, _world.Deadline);
        Assert.Equal(Versions(said), Versions(await EventsAsync()));

        await PlayFluidAsync();
        await _line.AdvanceAsync(Key, _world.Deadline);
        Assert.Contains(await EventsAsync(), e => e is { Reason: "BytesProven", Message: "2.00MiB of 2.00MiB cached (2 copies of 1.00MiB)" });
    }

    [Fact]
    public async Task Events_TheSameAgain_CountsUp()
    {
        _uploads.Failure = new("AccessDenied", "the object store refuses the credentials", Transient: false);
        await _line.AdvanceAsync(Key, _world.Deadline);
        _uploads.Failure = null;
        await _line.AdvanceAsync(Key, _world.Deadline);
        _uploads.Failure = new("AccessDenied", "the object store refuses the credentials", Transient: false);
        await _line.AdvanceAsync(Key, _world.Deadline);
        var denied = Assert.Single(await EventsAsync(), e => e.Reason == "AccessDenied");
        Assert.Equal((2, "Warning"), (denied.Count, denied.Type));
    }

    [Fact]
    public async Task Look_AtAModelThatIsGone_LeavesNothingBehind()
    {
        Assert.Equal(LineOutcome.Gone, await _line.AdvanceAsync(new("default", "nobody"), _world.Deadline));
        Assert.Null(_line.LookedAt(new("default", "nobody")));
        await _line.AdvanceAsync(Key, _world.Deadline);
        Assert.NotNull(_line.LookedAt(Key));
    }

    [Fact]
    public async Task ApiServer_SilentBeyondTheClientsLimit_TheLookIsPutOff()
    {
        using var http = new HttpClient(new TransientRetryHandler(TimeProvider.System) { InnerHandler = new Silent() })
        {
            BaseAddress = new("http://127.0.0.1"),
            Timeout = TimeSpan.FromMilliseconds(50),
        };
        using var api = new KubeApi(http);
        var line = new ModelLine(api, _uploads, new NeverAsked(), TimeProvider.System, NullLogger<ModelLine>.Instance);
        Assert.Equal(LineOutcome.Transient, await line.AdvanceAsync(Key, _world.Deadline));
    }

    private static List<string> Versions(IEnumerable<CoreEvent> events) => [.. events.Select(e => $"{e.Metadata.Name} {e.Metadata.ResourceVersion}").Order(StringComparer.Ordinal)];

    private async Task<CachedModel> ModelAsync() => (await _world.Api.GetAsync(CatalogKinds.CachedModels, Key.Namespace, Key.Name, _world.Deadline))!;

    private async Task<IReadOnlyList<CoreEvent>> EventsAsync() => (await _world.Api.ListAsync(CoreKinds.Events, Key.Namespace, null, _world.Deadline)).Items;

    private async Task PlayFluidAsync()
    {
        var version = (await ModelAsync()).Status!.Versions!.Single();
        await _world.Api.MergePatchAsync(FluidKinds.Datasets, Key.Namespace, version.Dataset!, """{"status":{"phase":"Bound","conditions":[],"cacheStates":{"cached":"2.00MiB"}}}""", "status", _world.Deadline);
        await _world.Api.MergePatchAsync(FluidKinds.JindoRuntimes, Key.Namespace, version.Dataset!, """{"status":{"workerPhase":"Ready","masterPhase":"Ready","fusePhase":"Ready","currentFuseNumberScheduled":0,"currentMasterNumberScheduled":1,"currentWorkerNumberScheduled":2,"desiredFuseNumberScheduled":0,"desiredMasterNumberScheduled":1,"desiredWorkerNumberScheduled":2,"fuseNumberReady":0,"masterNumberReady":1,"workerNumberReady":2,"valueFile":"values"}}""", "status", _world.Deadline);
        await _world.Api.MergePatchAsync(FluidKinds.DataLoads, Key.Namespace, version.DataLoad!, """{"status":{"phase":"Complete","duration":"45s","conditions":[]}}""", "status", _world.Deadline);
    }

    /// <summary>Takes every request and never answers.</summary>
    private sealed class Silent : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            return new();
        }
    }

    private sealed class Spans : BaseExporter<Activity>
    {
        private readonly Lock _lock = new();
        private readonly List<Activity> _all = [];

        public IReadOnlyList<Activity> All
        {
            get
            {
                lock (_lock)
                {
                    return [.. _all];
                }
            }
        }

        public override ExportResult Export(in Batch<Activity> batch)
        {
            lock (_lock)
            {
                foreach (var activity in batch)
                {
                    _all.Add(activity);
                }
            }

            return ExportResult.Success;
        }
    }

    private sealed class OneVersion : IUploadSource
    {
        private readonly UploadedVersion _version = new("v1", "models/bloom/v1/", "0123456789abcdef0123456789abcdef", 5, 1 << 20, true, "IndexSatisfied", "all files are there",
            null, TimeProvider.System.GetUtcNow(), null);

        public UploadFailure? Failure { get; set; }

        public bool Complete { get; set; } = true;

        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken) =>
            Task.FromResult(Failure is null ? new UploadObservation([_version with { Complete = Complete }], null) : new UploadObservation([], Failure));

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) =>
            Task.FromResult<byte[]?>(null);
    }
}
