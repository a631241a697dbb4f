using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
using Prewarm.Sandbox.ObjectStore;

namespace Prewarm.Sandbox.Running;

/// <summary>The whole system on one machine: API server, object store, cluster and functions, wired to one another on free loopback ports.</summary>
internal sealed class SandboxSystem : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _parts = new();
    private FunctionsContainers? _containers;

    private SandboxSystem(string root) => Root = root;

    /// <summary>Folder with the kubeconfig, the logs and the nodes; deleted at the end.</summary>
    public string Root { get; }

    public string Kubeconfig { get; private set; } = "";

    public IKubeApi Api { get; private set; } = null!;

    public IObjectStore Store { get; private set; } = null!;

    public MiniCluster Cluster { get; private set; } = null!;

    public IFunctions Functions { get; private set; } = null!;

    public string Bucket { get; private init; } = "";

    /// <summary>The broker's address, where the functions' own events go (<c>K_SINK</c>).</summary>
    public string Sink { get; private set; } = "";

    public string EventToken { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>Where OSS events are posted, with the token that lets them in.</summary>
    public Uri OssEvents => new(Functions.Uploads, $"/events/oss?token={EventToken}");

    /// <summary>Where the event of a PingSource goes that makes the line look at every model.</summary>
    private Uri SweepEvents => new(Functions.Line, $"/events/sweep?token={EventToken}");

    /// <param name="say">Told what is being started.</param>
    public static async Task<SandboxSystem> StartAsync(SandboxOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        var system = new SandboxSystem(Directory.CreateTempSubdirectory("prewarm-sandbox-").FullName) { Bucket = options.Bucket };
        try
        {
            await system.StartPartsAsync(options, say, cancellationToken);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>The one line of <c>up --json</c>.</summary>
    public string Describe() => new JsonObject
    {
        ["kubeconfig"] = Kubeconfig,
        ["objectStore"] = new JsonObject
        {
            ["endpoint"] = Store.Endpoint.ToString().TrimEnd('/'),
            ["accessKeyId"] = Store.AccessKeyId,
            ["accessKeySecret"] = Store.AccessKeySecret,
            ["bucket"] = Bucket,
        },
        ["gateway"] = Cluster.Gateway.Address.ToString().TrimEnd('/'),
        ["relay"] = Functions.Relay.ToString().TrimEnd('/'),
        ["line"] = Functions.Line.ToString().TrimEnd('/'),
        ["sink"] = Sink,
        ["events"] = new JsonObject { ["oss"] = OssEvents.ToString(), ["sweep"] = SweepEvents.ToString() },
        ["functionsPid"] = Functions.Id,
    }.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public async ValueTask DisposeAsync()
    {
        while (_parts.TryPop(out var part))
        {
            await part.DisposeAsync();
        }

        try
        {
            Directory.Delete(Root, recursive: true);
        }
        catch (IOException)
        {
            // A reader still has a file open: the folder is temporary anyway.
        }
    }

    /// <summary>Events that a broker gave up; only where the functions are deployed.</summary>
    public int? DeadLetters => _containers?.DeadLetters;

    private async Task StartPartsAsync(SandboxOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var faults = SandboxFaults.Parse(options.Faults);
        var log = new SandboxLog(Path.Combine(Root, "sandbox.log"), time);
        _parts.Push(log);
        if (options.Kubeconfig is { } given)
        {
            Kubeconfig = Path.GetFullPath(given);
        }
        else
        {
            say("API server");
            var server = Keep(await ApiServer.ApiServer.StartAsync(new ApiServerOptions { Faults = faults.Api }, cancellationToken));
            Kubeconfig = server.WriteKubeconfig(Path.Combine(Root, "kubeconfig"));
        }

        string Beside(string name) => Path.Combine(Path.GetDirectoryName(Kubeconfig)!, name);
        var awayFile = faults.ApiGoesAway ? Beside("api-away") : null;
        faults.Api.AwayFile = awayFile;

        var http = KubeApiFactory.CreateHttpClient(Kubeconfig);
        var api = new KubeApi(http);
        Api = api;
        _parts.Push(new Closing(api));
        await OwnCrd.EnsureAsync(api, cancellationToken);

        say("object store");
        var store = new ObjectStoreOptions
        {
            Bucket = Bucket,
            BytesPerSecond = (long)(options.RemoteMbps * 1e6 / 8),
            AccessKeyId = options.AccessKey ?? "sandbox",
            AccessKeySecret = options.SecretKey ?? "sandbox-secret",
            LosesEvent = faults.Events.Drops,
        };
        Store = options.S3 is null ? Keep(await ObjectStore.ObjectStore.StartAsync(store, cancellationToken)) : Keep(await StoreLink.StartAsync(options.S3, store, cancellationToken));

        say($"cluster of {options.Nodes.ToString(CultureInfo.InvariantCulture)} nodes: Fluid, KServe, Knative, gateway");
        // A server that cannot be told to be away is reached by a way that can be closed.
        var passage = awayFile is not null && options.Kubeconfig is not null ? Keep(new ApiPassage(http.BaseAddress!, awayFile, time)) : null;
        var access = new AccountAccess(http, Kubeconfig) { Passage = passage?.Address };
        _containers = options.Deploy is null ? null : new(api, access, options.Functions, Store.Endpoint, Root, time);
        var remote = new RemoteStore(api, Store.Endpoint, Store.AccessKeyId, Store.AccessKeySecret);
        _parts.Push(new Closing(remote));
        Cluster = Keep(await MiniCluster.StartAsync(api, remote, new()
        {
            Root = Root,
            Nodes = options.Nodes,
            BareApiServer = options.Kubeconfig is not null,
            Faults = faults.Mesh,
            Log = log.Write,
            Knative = new() { ScaleToZero = TimeSpan.FromSeconds(options.ScaleToZero), PodStart = TimeSpan.FromSeconds(options.PodStart), CrashBackoff = TimeSpan.FromSeconds(2), Containers = _containers, StrayPods = faults.StrayPods, StrayFile = Beside("stray-pods") },
        }, cancellationToken));

        say("eventing: broker, triggers, sources");
        var kubectl = new KubectlProgram(Kubeconfig);
        var deployed = options.Deploy is null ? null : Keep(await DeployedFunctions.StartAsync(kubectl, options.Deploy, EventToken, Cluster.Gateway.Address, cancellationToken));
        var eventing = Keep(new EventingControllers(api, (ns, name) => deployed?.Resolve(ns, name), time, new() { Faults = faults.Events, Log = log.Write }));
        await eventing.StartAsync(cancellationToken);

        Sink = eventing.IngressOf(FunctionsAccess.Namespace, PrewarmEventing.Broker).ToString();
        if (deployed is not null)
        {
            say($"functions: kubectl apply -k {options.Deploy}/knative, -k {options.Deploy}/eventing");
            Functions = deployed;
            var settings = new JsonObject { ["gateway"] = Cluster.Gateway.Address.ToString(), ["sink"] = Sink };
            await deployed.DeployAsync(api, kubectl, options.Kubeconfig is null, settings, EventToken, cancellationToken);
        }
        else
        {
            say("functions");
            Functions = Keep(await StartFunctionsAsync(options, access, faults, log, cancellationToken));
        }

        Store.EventToken = EventToken;
        Store.EventSink = new(Functions.Uploads, "/events/oss");
    }

    /// <summary>Every function in each process, under one account, and the events that lead there.</summary>
    private async Task<FunctionsService> StartFunctionsAsync(SandboxOptions options, AccountAccess access, SandboxFaults faults, SandboxLog log, CancellationToken cancellationToken)
    {
        var account = await FunctionsAccess.WriteKubeconfigAsync(Api, access, Path.Combine(Root, "functions.kubeconfig"), cancellationToken);
        var functions = await FunctionsService.StartAsync(options.Replicas, options.Functions, new Dictionary<string, string>
        {
            ["KUBECONFIG"] = account,
            ["Host__Address"] = "127.0.0.1",
            ["Events__Token"] = EventToken,
            ["K_SINK"] = Sink,
            ["Gateway__Address"] = Cluster.Gateway.Address.ToString(),
            ["ObjectStore__Endpoint"] = Store.Endpoint.ToString(),
            ["Logging__Json"] = "false",
        }, Root, faults.KillFunctions, log.Write, TimeProvider.System, cancellationToken);
        if (faults.KillAfterWrite > 0)
        {
            faults.Api.AfterWrite = (write, request) =>
            {
                if (write % faults.KillAfterWrite == 0)
                {
                    log.Write($"functions: killed after {request}");
                    functions.Kill();
                }
            };
        }

        foreach (var (type, obj) in new PrewarmEventing { Namespace = FunctionsAccess.Namespace, Functions = functions.Line, Token = EventToken, Scale = true, SweepSeconds = faults.SweepSeconds }.Objects())
        {
            await Api.ApplyAsync(type, type.Namespaced ? obj.Namespace() : null, obj.Name(), obj, "sandbox", true, null, cancellationToken);
        }

        return functions;
    }

    private T Keep<T>(T part) where T : IAsyncDisposable
    {
        _parts.Push(part);
        return part;
    }

    private sealed class Closing(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
