using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>
/// Fluid in miniature: Dataset, JindoRuntime and DataLoad over node folders and one remote store. Objects are looked at when they or what they depend on changes;
/// the cache folders are measured four times a second while something is copied, else once, and figures are written only when they have changed.
/// </summary>
/// <param name="log">Takes one line per failed reconcile.</param>
internal sealed class FluidControllers(IKubeApi api, NodeStore nodes, RemoteStore remote, TimeProvider time, Action<string>? log = null)
{
    private static readonly TimeSpan Fast = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(1);

    /// <summary>Runs until cancelled, and until the Jobs have ended; never throws.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var loads = new DataLoadController(api, nodes, remote, time, cancellationToken);
        var datasets = new DatasetController(api, nodes, remote, time, loads.StopAsync);
        var datasetLoop = new ControllerLoop(api, Kinds.Datasets, datasets.ReconcileAsync, time, log) { IgnoreStatus = true }
            .Also(Kinds.JindoRuntimes, r => [(r.Namespace(), r.Name())], ignoreStatus: true)
            .Also(Kinds.Pods, p => p.Text("metadata", "labels", "role") == CacheWorkers.WorkerRole && p.Text("metadata", "labels", "release") is { } release ? [(p.Namespace(), release)] : [], ignoreStatus: true);
        var loadLoop = new ControllerLoop(api, Kinds.DataLoads, loads.ReconcileAsync, time, log) { Resync = TimeSpan.FromSeconds(2) };
        loads.Wake = loadLoop.Enqueue;

        // A Dataset that is bound, or a Secret that has come, lets what waits go on at once.
        datasetLoop.Also(Kinds.Secrets, datasets.WaitingFor);
        loadLoop.Also(Kinds.Datasets, loads.WaitingFor);
        await Task.WhenAll(datasetLoop.RunAsync(cancellationToken), loadLoop.RunAsync(cancellationToken), MeasureAsync(datasets, loads, cancellationToken));
    }

    private async Task MeasureAsync(DatasetController datasets, DataLoadController loads, CancellationToken cancellationToken)
    {
        var changed = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(changed || loads.Busy ? Fast : Slow, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                changed = await datasets.MeasureAsync(cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                log?.Invoke($"cache figures: {e.Message}");
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
