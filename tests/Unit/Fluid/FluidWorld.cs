using System.Text;
using System.Text.Json.Nodes;
using Amazon.S3;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Fluid;
using Prewarm.Tests.Unit.ApiServer;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Unit.Fluid;

/// <summary>Fluid's miniature on the sandbox's API server and object store, with three nodes.</summary>
internal sealed class FluidWorld : IAsyncDisposable
{
    public const string Bucket = "fluid-demo";
    private readonly ApiWorld _world = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _log = [];
    private RemoteStore _remote = null!;
    private AmazonS3Client _s3 = null!;
    private Task _running = Task.CompletedTask;

    public KubeApi Api => _world.Api;

    public Store Store { get; private set; } = null!;

    public NodeStore Nodes { get; private set; } = null!;

    public CachedReader Reader { get; private set; } = null!;

    public CancellationToken Deadline => _world.Deadline;

    public IReadOnlyList<string> Log { get { lock (_log) { return [.. _log]; } } }

    public async ValueTask StartAsync()
    {
        await _world.StartAsync();
        Store = await Sandbox.ObjectStore.ObjectStore.StartAsync(new() { Bucket = Bucket }, Deadline);
        Nodes = new(_world.Folder, 3);
        foreach (var node in Nodes.Nodes)
        {
            await Api.CreateAsync(Kinds.Nodes, null, new() { ["metadata"] = new JsonObject { ["name"] = node } }, Deadline);
        }

        _remote = new(Api, Store.Endpoint, "nobody", "nothing");
        Reader = new(Api, Nodes, _remote);
        _s3 = new(Store.AccessKeyId, Store.AccessKeySecret, new AmazonS3Config
        {
            ServiceURL = Store.Endpoint.ToString(),
            ForcePathStyle = true,
            AuthenticationRegion = "cn-hangzhou",
            RequestChecksumCalculation = Amazon.Runtime.RequestChecksumCalculation.WHEN_REQUIRED,
        });
        _running = new FluidControllers(Api, Nodes, _remote, TimeProvider.System, line =>
        {
            lock (_log)
            {
                _log.Add(line);
            }
        }).RunAsync(_stop.Token);

    }

    public Task PutAsync(string key, byte[] bytes) =>
        _s3.PutObjectAsync(new() { BucketName = Bucket, Key = key, InputStream = new MemoryStream(bytes), UseChunkEncoding = false }, Deadline);

    public static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public Task SecretAsync(string id, string secret) => Api.CreateAsync(Kinds.Secrets, "default", new()
    {
        ["metadata"] = new JsonObject { ["name"] = "access-key" },
        ["data"] = new JsonObject { ["fs.oss.accessKeyId"] = Base64(id), ["fs.oss.accessKeySecret"] = Base64(secret) },
    }, Deadline);

    public Task SecretAsync() => SecretAsync(Store.AccessKeyId, Store.AccessKeySecret);

    /// <summary>The tutorial's Dataset and JindoRuntime.</summary>
    public async Task DatasetAsync(string mountPoint = "oss://fluid-demo/models/bloom", int replicas = 2, string quota = "50Gi")
    {
        static JsonObject Encrypted(string name) =>
            new() { ["name"] = name, ["valueFrom"] = new JsonObject { ["secretKeyRef"] = new JsonObject { ["name"] = "access-key", ["key"] = name } } };
        await Api.CreateAsync(Kinds.Datasets, "default", new()
        {
            ["apiVersion"] = "data.fluid.io/v1alpha1",
            ["kind"] = "Dataset",
            ["metadata"] = new JsonObject { ["name"] = "oss-data" },
            ["spec"] = new JsonObject
            {
                ["mounts"] = new JsonArray(new JsonObject
                {
                    ["mountPoint"] = mountPoint,
                    ["name"] = "bloom",
                    ["path"] = "/bloom",
                    ["options"] = new JsonObject { ["fs.oss.endpoint"] = "oss-cn-hangzhou-internal.aliyuncs.com" },
                    ["encryptOptions"] = new JsonArray(Encrypted("fs.oss.accessKeyId"), Encrypted("fs.oss.accessKeySecret")),
                }),
            },
        }, Deadline);
        await Api.CreateAsync(Kinds.JindoRuntimes, "default", new()
        {
            ["apiVersion"] = "data.fluid.io/v1alpha1",
            ["kind"] = "JindoRuntime",
            ["metadata"] = new JsonObject { ["name"] = "oss-data" },
            ["spec"] = new JsonObject
            {
                ["replicas"] = replicas,
                ["tieredstore"] = new JsonObject { ["levels"] = new JsonArray(new JsonObject { ["mediumtype"] = "SSD", ["path"] = "/mnt/ssd0/cache", ["quota"] = quota }) },
            },
        }, Deadline);
    }

    public Task LoadAsync(string name = "load", string path = "/bloom", int replicas = 2, int? ttl = null)
    {
        var spec = new JsonObject
        {
            ["dataset"] = new JsonObject { ["name"] = "oss-data", ["namespace"] = "default" },
            ["loadMetadata"] = true,
            ["target"] = new JsonArray(new JsonObject { ["path"] = path, ["replicas"] = replicas }),
        };
        if (ttl is not null)
        {
            spec["ttlSecondsAfterFinished"] = ttl;
        }

        return Api.CreateAsync(Kinds.DataLoads, "default", new()
        {
            ["apiVersion"] = "data.fluid.io/v1alpha1",
            ["kind"] = "DataLoad",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = spec,
        }, Deadline);
    }

    public Task<JsonObject?> GetAsync(ResourceType<JsonObject> type, string name) => Api.GetAsync(type, type.Namespaced ? "default" : null, name, Deadline);

    public async Task<JsonObject?> UntilAsync(ResourceType<JsonObject> type, string name, Func<JsonObject?, bool> condition)
    {
        JsonObject? obj = null;
        try
        {
            await _world.UntilAsync(async () => condition(obj = await GetAsync(type, name)));
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"{type.Kind} {name} is {obj?.ToJsonString()}; log: {string.Join('\n', Log)}", e);
        }

        return obj;
    }

    public Task<JsonObject?> PhaseAsync(ResourceType<JsonObject> type, string name, string phase) => UntilAsync(type, name, o => o.Text("status", "phase") == phase);

    public async Task<IReadOnlyList<string>> WorkerNodesAsync() =>
        [.. (await Api.ListAsync(Kinds.Nodes, null, "fluid.io/s-default-oss-data=true", Deadline)).Items.Select(n => n.Name())];

    public async Task<IReadOnlyList<CoreEvent>> EventsAsync() => (await Api.ListAsync(CoreKinds.Events, "default", null, Deadline)).Items;

    public Task UntilEventAsync(string reason) => _world.UntilAsync(async () => (await EventsAsync()).Any(e => e.Reason == reason));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, CancellationToken.None);
        _remote.Dispose();
        _s3.Dispose();
        await Store.DisposeAsync();
        await _world.DisposeAsync();
        _stop.Dispose();
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
