using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>Fluid in miniature: Dataset, JindoRuntime and DataLoad over node folders and one remote store.</summary>
/// <param name="log">Takes one line per failed reconcile.</param>
internal sealed class FluidControllers(IKubeApi api, NodeStore nodes, RemoteStore remote, TimeProvider time, Action<string>? log = null)
{
    /// <summary>Runs until cancelled; never throws.</summary>
    public Task RunAsync(CancellationToken cancellationToken)
    {
        var datasets = new DatasetController(api, nodes, remote, time);
        var loads = new DataLoadController(api, nodes, remote, time, cancellationToken);
        return Task.WhenAll(
            new ControllerLoop(api, Kinds.Datasets, datasets.ReconcileAsync, time, log) { Resync = TimeSpan.FromSeconds(1) }
                .Also(Kinds.JindoRuntimes, r => [(r.Namespace(), r.Name())], ignoreStatus: true).RunAsync(cancellationToken),
            new ControllerLoop(api, Kinds.DataLoads, loads.ReconcileAsync, time, log) { Resync = TimeSpan.FromSeconds(1) }.RunAsync(cancellationToken));
    }
}
