using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>
/// What one event costs the API server. A number that grows is felt by every model of every cluster: raise it here only with a reason.
/// </summary>
public sealed class LineRoundTripsTests : IAsyncLifetime
{
    private static readonly ModelKey Key = new("default", "bloom");
    private readonly ApiWorld _world = new();
    private readonly Prefix _prefix = new();
    private Counting _requests = null!;
    private KubeApi _api = null!;
    private ModelLine _line = null!;

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(_world.Server.CertificateAuthority);
        var sockets = new SocketsHttpHandler();
        sockets.SslOptions.CertificateChainPolicy = policy;
        _requests = new(sockets);
        var http = new HttpClient(_requests) { BaseAddress = _world.Server.Address };
        http.DefaultRequestHeaders.Authorization = new("Bearer", _world.Server.AdminToken);
        _api = new(http);
        _line = new(_api, _prefix, new NeverAsked(), TimeProvider.System, NullLogger<ModelLine>.Instance);
        await _world.Api.CreateAsync(CatalogKinds.CachedModels, Key.Namespace, new()
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            Metadata = new() { Name = Key.Name },
            Spec = new() { Source = new() { Uri = "oss://b/models/bloom", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com" } },
        }, _world.Deadline);
        await _line.AdvanceAsync(Key, _world.Deadline);
        _requests.Seen.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        _api.Dispose();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Look_UploadComplete_AsksBoundedlyAndWritesTheDataLoadEarly()
    {
        _prefix.Complete = true;
        await _line.AdvanceAsync(Key, _world.Deadline);
        var seen = _requests.Seen.ToList();
        var load = seen.FindIndex(r => r.StartsWith("PATCH", StringComparison.Ordinal) && r.Contains("/dataloads/", StringComparison.Ordinal));
        Assert.True(load is >= 0 and < UntilLoad, $"the DataLoad is request {load + 1}, not one of the first {UntilLoad}:\n{string.Join('\n', seen)}");
        Assert.True(seen.Count <= UploadLook, $"{seen.Count} requests in place of {UploadLook}:\n{string.Join('\n', seen)}");
    }

    [Fact]
    public async Task Look_NothingNew_OnlyReadsAndBoundedly()
    {
        _prefix.Complete = true;
        await _line.AdvanceAsync(Key, _world.Deadline);
        _requests.Seen.Clear();
        await _line.AdvanceAsync(Key, _world.Deadline);
        var seen = _requests.Seen.ToList();
        Assert.All(seen, r => Assert.StartsWith("GET", r, StringComparison.Ordinal));
        Assert.True(seen.Count <= IdleLook, $"{seen.Count} requests in place of {IdleLook}:\n{string.Join('\n', seen)}");
    }

    [Fact]
    public async Task Reads_OfOnePass_AreAskedAtTheSameTime()
    {
        // None is answered before all have come: a read that waited for another's answer would never be asked.
        _requests.Together = ["/datasets", "/jindoruntimes", "/dataloads", "/inferenceservices", "/pods"];
        await _line.AdvanceAsync(Key, _world.Deadline);
        Assert.Empty(_requests.Together);
    }

    [Fact]
    public async Task NamesToBeWritten_AreAskedForAtTheSameTime()
    {
        _prefix.Complete = true;
        _requests.Together = ["/datasets/", "/jindoruntimes/", "/dataloads/"];
        await _line.AdvanceAsync(Key, _world.Deadline);
        Assert.Empty(_requests.Together);
        Assert.Equal(3, _requests.Seen.Count(r => r.StartsWith("PATCH", StringComparison.Ordinal) && !r.Contains("/cachedmodels/", StringComparison.Ordinal)));
    }

    /// <summary>The model; three lists, the InferenceService and the pods; Dataset, JindoRuntime, DataLoad, each read by name before it is made, for the name may be somebody else's.</summary>
    private const int UntilLoad = 12;

    /// <summary>And the status, once, and its Events.</summary>
    private const int UploadLook = 16;

    /// <summary>The model, three lists, the InferenceService, the pods and the nodes of one Dataset.</summary>
    private const int IdleLook = 7;

    private sealed class Counting(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConcurrentQueue<string> Seen { get; } = new();

        /// <summary>Ends of paths still to come before one of them is answered.</summary>
        public List<string> Together { get; set; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var path = request.RequestUri!.AbsolutePath;
            Seen.Enqueue($"{request.Method} {path}");
            Task wait;
            lock (_all)
            {
                var mine = Together.Find(t => path.Contains(t, StringComparison.Ordinal));
                if (mine is not null && Together.Remove(mine) && Together.Count == 0)
                {
                    _all.SetResult();
                }

                wait = mine is null ? Task.CompletedTask : _all.Task;
            }

            await wait.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, cancellationToken);
            return await base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class Prefix : IUploadSource
    {
        public bool Complete { get; set; }

        public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken) =>
            Task.FromResult(new UploadObservation([new("v1", "models/bloom/v1/", "0123456789abcdef0123456789abcdef", 5, 1 << 20, Complete,
                Complete ? "MarkerPresent" : "MarkerMissing", Complete ? "_SUCCESS is there" : "_SUCCESS is not there yet", null, DateTimeOffset.UnixEpoch, null)], null));

        public Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken) =>
            Task.FromResult<byte[]?>(null);
    }
}
