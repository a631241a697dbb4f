using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Predictor;

namespace Prewarm.Sandbox.Knative;

/// <summary>One start of a predictor, as it was measured.</summary>
/// <param name="Begin">Seconds from the pod's binding to its container's start.</param>
/// <param name="Load">Seconds from there until the weights were in memory.</param>
internal sealed record PodStart(string Namespace, string Revision, string Pod, string Node, double Begin, double Load, long Bytes);

/// <summary>The kubelet of all nodes: runs each revision's pod that is bound to one, a predictor in this process.</summary>
internal sealed class PodRunner(IKubeApi api, CachedReader reader, RevisionTraffics traffics, KnativeOptions options, TimeProvider time, Action<string> log)
{
    private static readonly TimeSpan MountRetry = TimeSpan.FromMilliseconds(250);
    /// <summary>terminationGracePeriodSeconds, as far as a sandbox waits.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(5);
    private int _executions;
    private readonly ConcurrentDictionary<string, (CancellationTokenSource Stop, Task Run)> _running = new();

    /// <summary>The starts so far, in order.</summary>
    public ConcurrentQueue<PodStart> Starts { get; } = new();

    /// <summary>Predictions that the models themselves have begun on.</summary>
    public int Executions => Volatile.Read(ref _executions);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var change in new Reflector<JsonObject>(api, Kinds.Pods, null, RevisionController.RevisionLabel, time, new Random(23)).RunAsync(cancellationToken))
            {
                switch (change)
                {
                    case Delta<JsonObject>.Replace all:
                        var there = all.Items.Select(Uid).ToHashSet(StringComparer.Ordinal);
                        foreach (var gone in _running.Keys.Where(uid => !there.Contains(uid)))
                        {
                            Stop(gone);
                        }

                        foreach (var pod in all.Items)
                        {
                            See(pod, cancellationToken);
                        }

                        break;
                    case Delta<JsonObject>.Upsert one:
                        See(one.Object, cancellationToken);
                        break;
                    case Delta<JsonObject>.Remove { Object: { } gone }:
                        Stop(Uid(gone));
                        break;
                }
            }
        }
        finally
        {
            var runs = _running.Values.Select(r => r.Run).ToArray();
            foreach (var uid in _running.Keys)
            {
                Stop(uid);
            }

            await Task.WhenAll(runs).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void See(JsonObject pod, CancellationToken cancellationToken)
    {
        if (pod.Deleting())
        {
            Stop(Uid(pod));
            _ = EndAsync(pod, cancellationToken);
        }
        else if (pod.Text("spec", "nodeName") is not null && !_running.ContainsKey(Uid(pod)))
        {
            var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            _running[Uid(pod)] = (stop, Task.Run(() => PodAsync(pod, stop.Token), CancellationToken.None));
        }
    }

    /// <summary>The kubelet's last word on a pod that is being deleted.</summary>
    private async Task EndAsync(JsonObject pod, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteAsync(Kinds.Pods, pod.Namespace(), pod.Name(), Uid(pod), true, cancellationToken);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or OperationCanceledException)
        {
            log($"pod {pod.Name()}: {e.Message}");
        }
    }

    private void Stop(string uid)
    {
        if (_running.TryRemove(uid, out var run))
        {
            run.Stop.Cancel();
            _ = run.Run.ContinueWith(_ => run.Stop.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task PodAsync(JsonObject pod, CancellationToken cancellationToken)
    {
        var status = new PodStatus(api, pod, time);
        var backoff = options.CrashBackoff;
        try
        {
            var bound = time.GetTimestamp();
            await status.WaitingAsync("ContainerCreating", null, cancellationToken);
            await Task.Delay(options.PodStart, time, cancellationToken);
            await MountAsync(pod, cancellationToken);
            var begin = time.GetElapsedTime(bound).TotalSeconds;
            while (true)
            {
                await status.RunningAsync(cancellationToken);
                try
                {
                    await ServeAsync(pod, status, begin, cancellationToken);
                    return;
                }
                catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    log($"pod {pod.Name()}: {e.Message}");
                    await status.CrashedAsync(e.Message, cancellationToken);
                    await Task.Delay(backoff, time, cancellationToken);
                    backoff = backoff * 2 < MaxBackoff ? backoff * 2 : MaxBackoff;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Deleted, or the sandbox ends.
        }
        catch (Exception e)
        {
            log($"pod {pod.Name()}: {e.Message}");
        }
    }

    /// <summary>Waits for the volume as a kubelet does: the claim is bound and Fluid has the Dataset.</summary>
    private async Task MountAsync(JsonObject pod, CancellationToken cancellationToken)
    {
        while (PredictorPod.Claim(pod) is { } claim)
        {
            var volume = await api.GetAsync(Kinds.Claims, pod.Namespace(), claim.Name, cancellationToken);
            var dataset = await api.GetAsync(Kinds.Datasets, pod.Namespace(), claim.Name, cancellationToken);
            if (volume.Text("status", "phase") == "Bound" && dataset.Text("status", "phase") == "Bound")
            {
                return;
            }

            await Task.Delay(MountRetry, time, cancellationToken);
        }
    }

    private async Task ServeAsync(JsonObject pod, PodStatus status, double begin, CancellationToken cancellationToken)
    {
        if (options.Containers is { } runtime && await runtime.StartAsync(pod, cancellationToken) is { } container)
        {
            await using (container)
            {
                await AnswerAsync(pod, status, container.Address, container.Ended, cancellationToken);
                throw new InvalidOperationException("the container has ended");
            }
        }

        var (ns, node) = (pod.Namespace(), pod.Text("spec", "nodeName")!);
        var claim = PredictorPod.Claim(pod) ?? throw new InvalidDataException("the sandbox runs predictors whose STORAGE_URI is pvc://CLAIM/PATH");
        var began = time.GetTimestamp();
        var model = await LanguageModel.LanguageModel.Load((file, ct) => reader.OpenAsync(node, ns, claim.Name, $"{claim.Path}/{file}", ct), cancellationToken);
        var load = time.GetElapsedTime(began).TotalSeconds;
        await using var server = await PredictorServer.StartAsync(PredictorPod.ModelName(pod), model, () => Interlocked.Increment(ref _executions), cancellationToken);
        var revision = pod.Text("metadata", "labels", RevisionController.RevisionLabel)!;
        Starts.Enqueue(new(ns, revision, pod.Name(), node, begin, load, model.Bytes));
        await AnswerAsync(pod, status, server.Address, Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken), cancellationToken);
    }

    /// <summary>Has the pod in rotation until it is deleted or its container ends.</summary>
    private async Task AnswerAsync(JsonObject pod, PodStatus status, Uri address, Task ended, CancellationToken cancellationToken)
    {
        var traffic = traffics.Of(pod.Namespace(), pod.Text("metadata", "labels", RevisionController.RevisionLabel)!);
        var endpoint = new PodEndpoint(pod.Name(), address);
        traffic.Add(endpoint);
        try
        {
            await status.ReadyAsync(cancellationToken);
            await ended.WaitAsync(cancellationToken);
        }
        finally
        {
            // No new requests; those that run, or are on their way, may end.
            traffic.Remove(pod.Name());
            endpoint.Leave();
            await endpoint.Idle.WaitAsync(Grace, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static string Uid(JsonObject pod) => pod.Text("metadata", "uid")!;
}
