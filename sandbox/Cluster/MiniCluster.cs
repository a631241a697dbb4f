using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Sandbox.ControllerManager;
using Prewarm.Sandbox.Fluid;
using Prewarm.Sandbox.Gateway;
using Prewarm.Sandbox.Knative;
using Prewarm.Sandbox.KServe;

namespace Prewarm.Sandbox.Cluster;

/// <summary>What the miniature cluster runs on, and how fast.</summary>
internal sealed record MiniClusterOptions
{
    /// <summary>Folder of the nodes' caches.</summary>
    public required string Root { get; init; }

    public int Nodes { get; init; } = 3;

    public KnativeOptions Knative { get; init; } = new();

    /// <summary>The API server stands alone, without a kube-controller-manager: garbage is collected here.</summary>
    public bool BareApiServer { get; init; }

    public MeshFaults Faults { get; init; } = new();

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Takes one line for each problem that is tried again.</summary>
    public Action<string> Log { get; init; } = static _ => { };
}

/// <summary>Everything below the API server: nodes, Fluid, KServe, Knative, the mesh gateway, in one process against any API server and object store.</summary>
internal sealed class MiniCluster : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _loops = [];

    private MiniCluster(MiniClusterOptions options) => Nodes = new(options.Root, options.Nodes);

    public NodeStore Nodes { get; }

    public MeshGateway Gateway { get; private set; } = null!;

    public PodRunner Kubelet { get; private set; } = null!;

    public static async Task<MiniCluster> StartAsync(IKubeApi api, RemoteStore remote, MiniClusterOptions options, CancellationToken cancellationToken)
    {
        var (time, log) = (options.Time, options.Log);
        var cluster = new MiniCluster(options);
        foreach (var node in cluster.Nodes.Nodes)
        {
            var host = await api.EnsureAsync(Kinds.Nodes, new()
            {
                ["metadata"] = new JsonObject { ["name"] = node, ["labels"] = new JsonObject { ["kubernetes.io/hostname"] = node } },
                ["spec"] = new JsonObject(),
            }, cancellationToken);
            await api.SetStatusAsync(Kinds.Nodes, host!, new()
            {
                ["conditions"] = Json.Array([Json.Condition(null, time, "Ready", "True", "KubeletReady", "kubelet is posting ready status")]),
            }, cancellationToken);
        }

        var traffics = new RevisionTraffics(time);
        var routes = new RouteTable(api, options.Knative.Domain, time);
        var revisions = new RevisionController(api, traffics, new PodPlacement(api, options.Knative, time), options.Knative, time, log);
        var reader = new CachedReader(api, cluster.Nodes, remote);
        cluster.Kubelet = new(api, reader, traffics, options.Knative, time, log);
        cluster.Gateway = await MeshGateway.StartAsync(routes, traffics, revisions.Wake, options.Knative, options.Faults, time, cancellationToken);
        var inference = new InferenceServiceController(api, options.Knative.Domain, time);
        var services = new ServiceController(api, options.Knative.Domain, time);
        cluster.Run(routes.RunAsync);
        cluster.Run(revisions.RunAsync);
        cluster.Run(cluster.Kubelet.RunAsync);
        cluster.Run(new ControllerLoop(api, Kinds.InferenceServices, inference.ReconcileAsync, time, log).Owns(Kinds.Services).RunAsync);
        cluster.Run(new ControllerLoop(api, Kinds.Services, services.ReconcileAsync, time, log).Owns(Kinds.Revisions).RunAsync);
        cluster.Run(new FluidControllers(api, cluster.Nodes, remote, time, log).RunAsync);
        var jobs = new JobController(api, cluster.Nodes, reader, remote, time, cluster._stop.Token);
        // Only those that read a model: whatever else a cluster's Jobs do is not done here.
        var jobLoop = new ControllerLoop(api, Kinds.Jobs, (job, ct) => job.At("metadata", "labels", ReadJob.Label) is null ? Task.CompletedTask : jobs.ReconcileAsync(job, ct), time, log);
        jobs.Wake = jobLoop.Enqueue;
        cluster.Run(jobLoop.RunAsync);
        if (options.BareApiServer)
        {
            cluster.Run(new GarbageCollector(api, time, log).RunAsync);
        }

        return cluster;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Gateway.DisposeAsync();
        await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private void Run(Func<CancellationToken, Task> loop) => _loops.Add(Task.Run(() => loop(_stop.Token)));
}
