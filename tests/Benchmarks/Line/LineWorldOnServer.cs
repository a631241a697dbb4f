using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.ObjectStore;
using Prewarm.Sandbox.Running;
using ObjectStore = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Benchmarks.Line;

/// <summary>The sandbox's API server and object store, the functions as a process of their own, and no controllers: whoever measures plays them.</summary>
internal sealed class LineWorldOnServer : IAsyncDisposable
{
    public const string Namespace = "models";
    private const string Bucket = "fluid-demo";
    private const string Token = "token";

    /// <summary>
    /// As many senders of files' events, and of markers', as a batch has models: an event is answered after its look, which may wait for others,
    /// so that an event which queues here behind another model's would come seconds late, and another listing with it.
    /// </summary>
    private const int Posters = 30;

    private static readonly string[] Files = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer.json"];

    /// <summary>By key: an event about an object that a look has listed asks for no other look.</summary>
    private readonly ConcurrentDictionary<string, string> _etags = new();

    /// <summary>Models by the order in which something was first told of them.</summary>
    private readonly ConcurrentDictionary<string, int> _models = new();
    private int _told;
    private readonly string _root = Directory.CreateTempSubdirectory("prewarm-line-").FullName;
    private ApiServer _server = null!;
    private ObjectStore _store = null!;
    private KubeApi _api = null!;
    private List<EventPoster> _files = [];
    private List<EventPoster> _markers = [];
    private AmazonS3Client _s3 = null!;
    private string _account = "";

    public IKubeApi Api => _api;
    public HttpClient Http { get; } = new();
    public FunctionsProcess Functions { get; private set; } = null!;

    public static async Task<LineWorldOnServer> StartAsync(CancellationToken cancellationToken)
    {
        var world = new LineWorldOnServer();
        world._server = await ApiServer.StartAsync(new() { History = 100_000 }, cancellationToken);
        var admin = world._server.WriteKubeconfig(Path.Combine(world._root, "admin.kubeconfig"));
        var http = KubeApiFactory.CreateHttpClient(admin);
        world._api = new(http);
        await OwnCrd.EnsureAsync(world._api, cancellationToken);
        world._account = await FunctionsAccess.WriteKubeconfigAsync(world._api, new AccountAccess(http, admin), Path.Combine(world._root, "functions.kubeconfig"), cancellationToken);
        world._store = await ObjectStore.StartAsync(new() { Bucket = Bucket }, cancellationToken);
        world._s3 = new(new BasicAWSCredentials(world._store.AccessKeyId, world._store.AccessKeySecret), new AmazonS3Config
        {
            ServiceURL = world._store.Endpoint.ToString(),
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        });
        await world._api.EnsureAsync(Kinds.Namespaces, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, cancellationToken);
        static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        await world._api.EnsureAsync(Kinds.Secrets, new()
        {
            ["metadata"] = new JsonObject { ["name"] = "access-key", ["namespace"] = Namespace },
            ["data"] = new JsonObject { [SourceSecret.IdKey] = Base64(world._store.AccessKeyId), [SourceSecret.SecretKey] = Base64(world._store.AccessKeySecret) },
        }, cancellationToken);
        return world;
    }

    /// <summary>Starts the functions, again if they were running.</summary>
    /// <param name="binary">A published binary; null = the build beside this program.</param>
    /// <param name="environment">What a role sets (<see cref="RoleEnvironment"/>); null: all functions, the runtime as the program sets it.</param>
    public async Task StartFunctionsAsync(string? binary, IReadOnlyDictionary<string, string>? environment, CancellationToken cancellationToken)
    {
        if (Functions is not null)
        {
            await Functions.DisposeAsync();
        }

        var settings = new Dictionary<string, string>(environment ?? new Dictionary<string, string>())
        {
            ["KUBECONFIG"] = _account,
            ["PORT"] = "0",
            ["Host__Address"] = "127.0.0.1",
            ["Events__Token"] = Token,
            ["Gateway__Address"] = "http://127.0.0.1:9",
            ["ObjectStore__Endpoint"] = _store.Endpoint.ToString(),
            ["Logging__Json"] = "false",
            ["DOTNET_EnableDiagnostics"] = "0",
        };
        Functions = await FunctionsProcess.StartAsync(binary, settings, Path.Combine(_root, "functions.log"), TimeProvider.System, cancellationToken);
        await StopPostersAsync();

        EventPoster Poster() => new(new() { EventSink = new(Functions.Address, "/events/oss"), EventToken = Token });
        _files = [.. Enumerable.Range(0, Posters).Select(_ => Poster())];
        _markers = [.. Enumerable.Range(0, Posters).Select(_ => Poster())];
    }

    /// <summary>A CachedModel as the README has it, complete by its marker.</summary>
    public Task MakeModelAsync(string name, CancellationToken cancellationToken) => _api.CreateAsync(CatalogKinds.CachedModels, Namespace, new()
    {
        ApiVersion = CatalogKinds.CachedModels.ApiVersion,
        Kind = CatalogKinds.CachedModels.Kind,
        Metadata = new() { Name = name, Namespace = Namespace },
        Spec = new()
        {
            Source = new() { Uri = $"oss://{Bucket}/models/{name}", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com", CredentialsSecret = "access-key", Complete = new() { When = "Marker" } },
            Serving = new()
            {
                Predictor = (JsonObject)JsonNode.Parse("""
                    {"timeout":600,"minReplicas":0,"containers":[{"name":"kserve-container","image":"registry.example.com/bloom:1",
                     "resources":{"limits":{"cpu":"12","memory":"48Gi","nvidia.com/gpu":1},"requests":{"cpu":"12","memory":"48Gi"}},"env":[{"name":"GPU_ENABLED","value":"True"}]}]}
                    """)!,
            },
        },
    }, cancellationToken);

    /// <summary>Takes models away: nobody plays Fluid here, and what never gets warm is looked at again and again.</summary>
    public async Task RemoveAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        foreach (var name in names)
        {
            await _api.DeleteAsync(CatalogKinds.CachedModels, Namespace, name, null, now: false, cancellationToken);
        }

        while ((await _api.ListAsync(CatalogKinds.CachedModels, Namespace, null, cancellationToken)).Items.Count > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
        }
    }

    /// <summary>Uploads the files of v1 without the marker.</summary>
    public async Task UploadAsync(string model, CancellationToken cancellationToken)
    {
        foreach (var file in Files)
        {
            await PutAsync($"models/{model}/v1/{file}", $"{model} {file}", cancellationToken);
        }
    }

    public Task MarkAsync(string model, CancellationToken cancellationToken) => PutAsync(Marker(model), "", cancellationToken);

    /// <summary>Sends the files' events as EventBridge does.</summary>
    public void TellFiles(string model)
    {
        foreach (var file in Files)
        {
            Tell(Of(model, _files), $"models/{model}/v1/{file}");
        }
    }

    public void TellMarker(string model) => Tell(Of(model, _markers), Marker(model));

    private EventPoster Of(string model, List<EventPoster> posters) => posters[_models.GetOrAdd(model, _ => Interlocked.Increment(ref _told)) % Posters];

    /// <summary>The Sweep's event: look at every model.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Functions.Address, $"/events/sweep?token={Token}")) { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        foreach (var (name, value) in ((string, string)[])[("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/ping"), ("ce-type", "dev.knative.sources.ping")])
        {
            request.Headers.Add(name, value);
        }

        using var answer = await Http.SendAsync(request, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        if (Functions is not null)
        {
            await Functions.DisposeAsync();
            await StopPostersAsync();
        }

        Http.Dispose();
        _s3.Dispose();
        _api.Dispose();
        await _store.DisposeAsync();
        await _server.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private async Task StopPostersAsync()
    {
        foreach (var poster in _files.Concat(_markers))
        {
            await poster.DisposeAsync();
        }
    }

    private static string Marker(string model) => $"models/{model}/v1/_SUCCESS";

    private void Tell(EventPoster poster, string key) => poster.Post("PutObject", Bucket, key, 10, _etags[key], "application/octet-stream", null);

    private async Task PutAsync(string key, string content, CancellationToken cancellationToken) =>
        _etags[key] = (await _s3.PutObjectAsync(new() { BucketName = Bucket, Key = key, ContentBody = content, UseChunkEncoding = false }, cancellationToken)).ETag.Trim('"');
}
