using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Gateway;
using Prewarm.Sandbox.Knative;
using Prewarm.Sandbox.LanguageModel;
using Prewarm.Sandbox.Texts;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Unit.Knative;

/// <summary>The mini cluster on the sandbox's API server and object store, with one Dataset over a small model; the test writes the InferenceServices.</summary>
public sealed class ServingWorld : IAsyncDisposable
{
    private const string Bucket = "models";
    private readonly string _root = Directory.CreateTempSubdirectory("prewarm-serving-").FullName;
    private readonly ApiWorld _world = new();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };
    private readonly List<IDisposable> _closing = [];
    private Store _store = null!;
    private MiniCluster _cluster = null!;

    internal IKubeApi Api => _world.Api;

    internal CancellationToken Deadline => _world.Deadline;

    internal MeshFaults Faults { get; } = new();

    internal MiniCluster Cluster => _cluster;

    internal Store ObjectStore => _store;

    internal Prewarm.Sandbox.ApiServer.ApiServer Server => _world.Server;

    /// <summary>A client of the API server by another address.</summary>
    internal KubeApi ClientBy(Uri address)
    {
        var http = _world.Server.CreateClient();
        http.BaseAddress = address;
        return new(http);
    }

    internal async Task StartAsync(double scaleToZero = 3600, TimeSpan? look = null, IContainerRuntime? containers = null)
    {
        await _world.StartAsync();
        _store = await Store.StartAsync(new() { Bucket = Bucket }, Deadline);
        var folder = Path.Combine(_root, "model");
        Trainer.Train(TrainingTexts.V1, folder, slots: 1024);
        await PutAsync("good", folder);
        await File.WriteAllBytesAsync(Path.Combine(folder, "model-00002-of-00003.safetensors"), "not safetensors at all"u8.ToArray(), Deadline);
        await PutAsync("bad", folder);
        var remote = new RemoteStore(Api, _store.Endpoint, _store.AccessKeyId, _store.AccessKeySecret);
        _closing.Add(remote);
        _cluster = await MiniCluster.StartAsync(Api, remote, new()
        {
            Root = _root,
            Nodes = 2,
            Faults = Faults,
            Knative = new() { PodStart = TimeSpan.FromMilliseconds(10), ScaleToZero = TimeSpan.FromSeconds(scaleToZero), CrashBackoff = TimeSpan.FromMinutes(1), Look = look ?? new KnativeOptions().Look, Containers = containers },
        }, Deadline);
        foreach (var name in (string[])["good", "bad"])
        {
            await Api.EnsureAsync(Kinds.Datasets, new()
            {
                ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "default" },
                ["spec"] = new JsonObject { ["mounts"] = Json.Array([new JsonObject { ["mountPoint"] = $"oss://{Bucket}/{name}/", ["name"] = "bloom", ["path"] = "/bloom" }]) },
            }, Deadline);
            await Api.EnsureAsync(Kinds.JindoRuntimes, new()
            {
                ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = "default" },
                ["spec"] = new JsonObject { ["replicas"] = 1 },
            }, Deadline);
            // As in a rollout: the cache is there before the pods are placed.
            await _world.UntilAsync(async () => (await Api.GetAsync(Kinds.Datasets, "default", name, Deadline)).Text("status", "phase") == "Bound");
        }
    }

    /// <summary>Applies the InferenceService <c>bloom</c> over one of the Datasets.</summary>
    internal Task<JsonObject> ServeAsync(string dataset, int? canary = null, bool stop = false) => Api.ApplyAsync(Kinds.InferenceServices, "default", "bloom", new JsonObject
    {
        ["apiVersion"] = Kinds.InferenceServices.ApiVersion,
        ["kind"] = Kinds.InferenceServices.Kind,
        ["metadata"] = new JsonObject
        {
            ["name"] = "bloom",
            ["namespace"] = "default",
            // Asks Fluid's webhook for a node with a cache worker.
            ["labels"] = new JsonObject { ["fuse.serverful.fluid.io/inject"] = "true" },
            ["annotations"] = stop
                ? new JsonObject { ["serving.kserve.io/stop"] = "true" }
                : new JsonObject { ["serving.kserve.io/enable-tag-routing"] = "true", ["team"] = "a" },
        },
        ["spec"] = new JsonObject { ["predictor"] = Predictor(dataset, canary) },
    }, "test", true, null, Deadline);

    internal async Task<(HttpStatusCode Status, string Body)> PredictAsync(string host = "bloom.default.example.com")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_cluster.Gateway.Address, "/v1/models/bloom:predict"));
        request.Headers.Host = host;
        request.Content = new StringContent("""{"prompt":"It was","result_length":3}""", Encoding.UTF8, "application/json");
        using var answer = await _http.SendAsync(request, Deadline);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(Deadline));
    }

    /// <summary>Waits until the InferenceService is as <paramref name="done"/> says and returns it.</summary>
    internal async Task<JsonObject> UntilAsync(Func<JsonObject, bool> done)
    {
        JsonObject? seen = null;
        await _world.UntilAsync(async () => (seen = await Api.GetAsync(Kinds.InferenceServices, "default", "bloom", Deadline)) is not null && done(seen));
        return seen!;
    }

    internal Task UntilAsync(Func<Task<bool>> done) => _world.UntilAsync(done);

    internal static string? Condition(JsonObject obj, string type) => obj.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == type).Text("status");

    internal static JsonNode? Component(JsonObject obj) => obj.At("status", "components", "predictor");

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _closing.ForEach(c => c.Dispose());
        await _store.DisposeAsync();
        await _world.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_root, true);
    }

    private static JsonObject Predictor(string dataset, int? canary)
    {
        var predictor = new JsonObject
        {
            ["minReplicas"] = 0,
            ["timeout"] = 30,
            ["containers"] = Json.Array([new JsonObject
            {
                ["name"] = "kserve-container",
                ["image"] = "example.com/predictor:1",
                ["env"] = Json.Array([new JsonObject { ["name"] = "STORAGE_URI", ["value"] = $"pvc://{dataset}/bloom" }, new JsonObject { ["name"] = "MODEL_NAME", ["value"] = "bloom" }]),
            }]),
        };
        if (canary is not null)
        {
            predictor["canaryTrafficPercent"] = canary;
        }

        return predictor;
    }

    private async Task PutAsync(string prefix, string folder)
    {
        using var client = new AmazonS3Client(new BasicAWSCredentials(_store.AccessKeyId, _store.AccessKeySecret), new AmazonS3Config
        {
            ServiceURL = _store.Endpoint.ToString(),
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",
        });
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            await client.PutObjectAsync(new() { BucketName = Bucket, Key = $"{prefix}/{Path.GetFileName(file)}", FilePath = file, UseChunkEncoding = false }, Deadline);
        }
    }
}
