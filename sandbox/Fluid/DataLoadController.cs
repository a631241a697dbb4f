using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>
/// DataLoad, as Fluid's data operation goes: 1. deletion, 2. ended (and its time to live), 3. it waits, with an event, for a Dataset that is Bound and for workers,
/// 4. finalizer and owner, 5. the Job (two tries, as the chart's backoffLimit 1), 6. the end with the Job's condition.
/// </summary>
/// <param name="stopping">Ends running Jobs.</param>
internal sealed class DataLoadController(IKubeApi api, NodeStore nodes, RemoteStore remote, TimeProvider time, CancellationToken stopping)
{
    private const string Finalizer = "fluid-dataload-controller-finalizer";
    private const int Tries = 2;
    private readonly ConcurrentDictionary<string, Job> _jobs = [];
    private readonly ConcurrentDictionary<(string Namespace, string Name), string> _waiting = new();
    private readonly FluidEvents _events = new(api, time);

    /// <summary>Called with a DataLoad that has to be looked at again.</summary>
    public Action<string, string, TimeSpan> Wake { get; set; } = static (_, _, _) => { };

    /// <summary>DataLoads that wait for a Dataset.</summary>
    public IEnumerable<(string Namespace, string Name)> WaitingFor(JsonObject dataset) =>
        _waiting.Where(w => w.Key.Namespace == dataset.Namespace() && w.Value == dataset.Name()).Select(w => w.Key).ToList();

    /// <value>Whether a Job runs.</value>
    public bool Busy => _jobs.Values.Any(j => !j.Copy.IsCompleted);

    public async Task ReconcileAsync(JsonObject load, CancellationToken cancellationToken)
    {
        // 1
        var uid = load.Text("metadata", "uid")!;
        _waiting.TryRemove((load.Namespace(), load.Name()), out _);
        if (load.Deleting())
        {
            if (await StopAsync(uid) is { } stopped)
            {
                await RunningAsync(stopped.Namespace, stopped.Dataset, cancellationToken);
            }

            await api.FinalizersAsync(Kinds.DataLoads, load, Finalizer, false, cancellationToken);
            return;
        }

        // 2
        if (load.Text("status", "phase") is "Complete" or "Failed")
        {
            await StopAsync(uid);
            await TimeToLiveAsync(load, cancellationToken);
            return;
        }

        // 3
        if (await ReadyAsync(load, cancellationToken) is not var (dataset, workers, quota))
        {
            return;
        }

        // 4
        if (await OwnAsync(load, dataset, cancellationToken))
        {
            return;
        }

        // 5
        if (!_jobs.TryGetValue(uid, out var job))
        {
            await SetAsync(load, "Executing", cancellationToken);
            var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var copy = CopyAsync(new(nodes, remote, dataset, workers, quota), load, stop.Token);
            _jobs[uid] = new(dataset.Namespace(), dataset.Name(), load.Name(), copy, stop);
            await RunningAsync(dataset.Namespace(), dataset.Name(), cancellationToken);
            return;
        }

        // 6
        if (job.Copy.IsCompleted)
        {
            var problem = job.Copy.IsCanceled ? "the Job was stopped" : job.Copy.Exception?.GetBaseException().Message;
            await StopAsync(uid);
            await EndAsync(load, problem is null ? null : "BackoffLimitExceeded", problem, cancellationToken);
            await RunningAsync(dataset.Namespace(), dataset.Name(), cancellationToken);
        }
    }

    /// <summary>Stops the Jobs that write into a Dataset's cache, and waits for them.</summary>
    public async Task StopAsync(string ns, string dataset)
    {
        foreach (var (uid, _) in _jobs.Where(j => j.Value.Namespace == ns && j.Value.Dataset == dataset).ToList())
        {
            await StopAsync(uid);
        }
    }

    private async Task<Job?> StopAsync(string uid)
    {
        if (_jobs.TryRemove(uid, out var job))
        {
            await job.Stop.CancelAsync();
            await job.Copy.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            job.Stop.Dispose();
        }

        return job;
    }

    private async Task<(JsonObject Dataset, string[] Workers, double Quota)?> ReadyAsync(JsonObject load, CancellationToken cancellationToken)
    {
        var (ns, name) = (load.Text("spec", "dataset", "namespace") ?? "", load.Text("spec", "dataset", "name") ?? "");
        if (ns.Length > 0 && ns != load.Namespace())
        {
            await EndAsync(load, "TargetDatasetNamespaceNotSame", "the namespace of the DataLoad is not the Dataset's", cancellationToken);
            return null;
        }

        _waiting[(load.Namespace(), load.Name())] = name;
        await SetAsync(load, load.Text("status", "phase") is "Executing" ? "Executing" : "Pending", cancellationToken);
        var dataset = ns.Length == 0 ? null : await api.GetAsync(Kinds.Datasets, ns, name, cancellationToken);
        if (dataset is null)
        {
            await _events.WarnAsync(load, "TargetDatasetNotFound", $"Target dataset(namespace: {ns}, name: {name}) not found", cancellationToken);
            return null;
        }

        var runtime = await api.GetAsync(Kinds.JindoRuntimes, ns, name, cancellationToken);
        var label = FluidLabels.Worker(dataset);
        string[] workers = [.. (await api.ListAsync(Kinds.Nodes, null, $"{label}=true", cancellationToken)).Items.Select(n => n.Name()).Order(StringComparer.Ordinal)];
        if (dataset.Text("status", "phase") != "Bound" || runtime is null || dataset.Deleting() || workers.Length == 0)
        {
            await _events.WarnAsync(load, "RuntimeNotReady", "Bounded accelerate runtime not ready", cancellationToken);
            return null;
        }

        _waiting.TryRemove((load.Namespace(), load.Name()), out _);
        return (dataset, workers, CacheQuota.Of(runtime));
    }

    private async Task<bool> OwnAsync(JsonObject load, JsonObject dataset, CancellationToken cancellationToken)
    {
        // Read again: the phase has just been written.
        if (await api.GetAsync(Kinds.DataLoads, load.Namespace(), load.Name(), cancellationToken) is not { } fresh || fresh.Deleting())
        {
            return true;
        }

        var owners = fresh.At("metadata", "ownerReferences").Objects().Select(o => (JsonNode)o.DeepClone()).ToList();
        var finalizers = (fresh.At("metadata", "finalizers") as JsonArray ?? []).Select(f => f!.ToString()).ToList();
        var owned = owners.Exists(o => o.Text("uid") == dataset.Text("metadata", "uid"));
        if (owned && finalizers.Contains(Finalizer))
        {
            return false;
        }

        if (!owned)
        {
            owners.Add(new JsonObject { ["apiVersion"] = dataset.Text("apiVersion"), ["kind"] = dataset.Text("kind"), ["name"] = dataset.Name(), ["uid"] = dataset.Text("metadata", "uid") });
        }

        var meta = new JsonObject
        {
            ["ownerReferences"] = Json.Array(owners),
            ["finalizers"] = Json.Array(finalizers.Append(Finalizer).Distinct().Select(f => (JsonNode)f)),
            ["resourceVersion"] = fresh.Text("metadata", "resourceVersion"),
        };
        await api.MergePatchAsync(Kinds.DataLoads, load.Namespace(), load.Name(), new JsonObject { ["metadata"] = meta }.ToJsonString(), null, cancellationToken);
        Wake(load.Namespace(), load.Name(), TimeSpan.Zero);
        return true;
    }

    private async Task CopyAsync(LoadJob job, JsonObject load, CancellationToken cancellationToken)
    {
        await Task.Yield();
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    await job.RunAsync(load, cancellationToken);
                    return;
                }
                catch (Exception) when (attempt < Tries && !cancellationToken.IsCancellationRequested)
                {
                    await Task.Delay(TimeSpan.FromSeconds(1), time, cancellationToken);
                }
            }
        }
        finally
        {
            // A moment later, when this task is seen to have ended.
            Wake(load.Namespace(), load.Name(), TimeSpan.FromMilliseconds(20));
        }
    }

    // status.operationRef: "a,b" while loads run (fluid >= v1.0.0 knows no exclusion).
    private async Task RunningAsync(string ns, string dataset, CancellationToken cancellationToken)
    {
        var names = string.Join(',', _jobs.Values.Where(j => j.Namespace == ns && j.Dataset == dataset).Select(j => j.Load).Order(StringComparer.Ordinal));
        var patch = new JsonObject { ["status"] = new JsonObject { ["operationRef"] = names.Length == 0 ? null : new JsonObject { ["DataLoad"] = names } } };
        try
        {
            await api.MergePatchAsync(Kinds.Datasets, ns, dataset, patch.ToJsonString(), "status", cancellationToken);
        }
        catch (KubeApiException e) when (e.IsNotFound)
        {
            // Deleted meanwhile.
        }
    }

    private Task SetAsync(JsonObject load, string phase, CancellationToken cancellationToken) =>
        api.SetStatusAsync(Kinds.DataLoads, load, new() { ["phase"] = phase, ["duration"] = "Unfinished", ["conditions"] = new JsonArray() }, cancellationToken);

    private Task EndAsync(JsonObject load, string? failure, string? message, CancellationToken cancellationToken)
    {
        var type = failure is null ? "Complete" : "Failed";
        var condition = Json.Condition(null, time, type, "True", failure ?? "CompletionsReached", message);
        condition["lastProbeTime"] = condition.Text("lastTransitionTime");
        var created = DateTimeOffset.TryParse(load.Text("metadata", "creationTimestamp"), CultureInfo.InvariantCulture, out var at) ? at : time.GetUtcNow();
        return api.SetStatusAsync(Kinds.DataLoads, load, new()
        {
            ["phase"] = type,
            ["duration"] = Duration(time.GetUtcNow() - created),
            ["conditions"] = Json.Array([condition]),
        }, cancellationToken);
    }

    private async Task TimeToLiveAsync(JsonObject load, CancellationToken cancellationToken)
    {
        if (load.Number("spec", "ttlSecondsAfterFinished") is not { } seconds
            || !DateTimeOffset.TryParse(load.At("status", "conditions").Objects().FirstOrDefault().Text("lastTransitionTime"), CultureInfo.InvariantCulture, out var ended))
        {
            return;
        }

        var left = ended.AddSeconds(seconds) - time.GetUtcNow();
        if (left > TimeSpan.Zero)
        {
            Wake(load.Namespace(), load.Name(), left);
            return;
        }

        await api.DeleteAsync(Kinds.DataLoads, load.Namespace(), load.Name(), load.Text("metadata", "uid"), false, cancellationToken);
    }

    // Go's time.Duration, whole seconds.
    private static string Duration(TimeSpan took)
    {
        var seconds = Math.Max(1, (long)Math.Round(took.TotalSeconds));
        return string.Create(CultureInfo.InvariantCulture, $"{(seconds >= 3600 ? $"{seconds / 3600}h" : "")}{(seconds >= 60 ? $"{seconds / 60 % 60}m" : "")}{seconds % 60}s");
    }

    private sealed record Job(string Namespace, string Dataset, string Load, Task Copy, CancellationTokenSource Stop);
}
