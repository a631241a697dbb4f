using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>DataLoad: copies the target paths into worker nodes' caches; each byte crosses the remote link once.</summary>
internal sealed class DataLoadController(IKubeApi api, NodeStore nodes, RemoteStore remote, TimeProvider time, CancellationToken stopping)
{
    private const string Finalizer = "fluid-dataload-controller-finalizer";
    private readonly ConcurrentDictionary<string, Job> _jobs = [];

    public async Task ReconcileAsync(JsonObject load, CancellationToken cancellationToken)
    {
        var uid = load.Text("metadata", "uid") ?? $"{load.Namespace()}/{load.Name()}";
        if (load.Deleting())
        {
            if (_jobs.TryRemove(uid, out var running))
            {
                await running.Stop.CancelAsync();
            }

            await api.FinalizersAsync(Kinds.DataLoads, load, Finalizer, false, cancellationToken);
            return;
        }

        if (load.Text("status", "phase") is "Complete" or "Failed")
        {
            _jobs.TryRemove(uid, out _);
            return;
        }

        await api.FinalizersAsync(Kinds.DataLoads, load, Finalizer, true, cancellationToken);
        var name = load.Text("spec", "dataset", "name") ?? "";
        if (load.Text("spec", "dataset", "namespace") != load.Namespace())
        {
            await EndAsync(load, null, "TargetDatasetNamespaceNotSame", "the DataLoad's namespace is not the Dataset's", cancellationToken);
            return;
        }

        var dataset = await api.GetAsync(Kinds.Datasets, load.Namespace(), name, cancellationToken);
        if (dataset.Text("status", "phase") != "Bound")
        {
            await api.SetStatusAsync(Kinds.DataLoads, load, new() { ["phase"] = "Pending", ["duration"] = "Unfinished", ["conditions"] = new JsonArray() }, cancellationToken);
            return;
        }

        if (!_jobs.TryGetValue(uid, out var job))
        {
            await api.SetStatusAsync(Kinds.DataLoads, load, new() { ["phase"] = "Executing", ["duration"] = "Unfinished", ["conditions"] = new JsonArray() }, cancellationToken);
            var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            _jobs[uid] = new(CopyAsync(load, dataset!, stop.Token), stop, time.GetTimestamp());
            return;
        }

        if (job.Copy.IsCompleted)
        {
            var problem = job.Copy.Exception?.GetBaseException().Message;
            await EndAsync(load, time.GetElapsedTime(job.Started), problem is null ? null : "BackoffLimitExceeded", problem, cancellationToken);
        }
    }

    private Task EndAsync(JsonObject load, TimeSpan? took, string? failure, string? message, CancellationToken cancellationToken)
    {
        var type = failure is null ? "Complete" : "Failed";
        var condition = Json.Condition(null, time, type, "True", failure ?? "CompletionsReached", message);
        condition["lastProbeTime"] = condition.Text("lastTransitionTime");
        var seconds = Math.Max(1, (int)Math.Ceiling(took?.TotalSeconds ?? 0));
        return api.SetStatusAsync(Kinds.DataLoads, load, new()
        {
            ["phase"] = type,
            ["duration"] = string.Create(CultureInfo.InvariantCulture, $"{seconds}s"),
            ["conditions"] = Json.Array([condition]),
        }, cancellationToken);
    }

    private async Task CopyAsync(JsonObject load, JsonObject dataset, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var (ns, name, label) = (dataset.Namespace(), dataset.Name(), FluidLabels.Worker(dataset));
        var workers = (await api.ListAsync(Kinds.Nodes, null, null, cancellationToken)).Items
            .Where(n => n.Text("metadata", "labels", label) == "true").Select(n => n.Name()).Order(StringComparer.Ordinal).ToArray();
        if (workers.Length == 0)
        {
            throw new InvalidOperationException("no cache worker is running");
        }

        var all = await remote.ListAsync(dataset, cancellationToken);
        foreach (var target in load.At("spec", "target").Objects())
        {
            var path = (target.Text("path") ?? "/").TrimEnd('/');
            var files = all.Where(f => f.Path == path || f.Path.StartsWith(path + "/", StringComparison.Ordinal)).ToArray();
            if (files.Length == 0)
            {
                throw new FileNotFoundException($"ls: {path}: No such file or directory");
            }

            var copies = Math.Min(target.Number("replicas") ?? 1, workers.Length);
            for (var i = 0; i < files.Length; i++)
            {
                await OneAsync(ns, name, files[i], [.. Enumerable.Range(i, copies).Select(w => workers[w % workers.Length])], cancellationToken);
            }
        }
    }

    private async Task OneAsync(string ns, string name, RemoteFile file, string[] places, CancellationToken cancellationToken)
    {
        bool Has(string node) => nodes.File(node, ns, name, file.Path) is { } f && new FileInfo(f) is { Exists: true } info && info.Length == file.Bytes;
        var source = nodes.Nodes.FirstOrDefault(Has);
        foreach (var node in places.Where(n => !Has(n)))
        {
            var place = nodes.File(node, ns, name, file.Path) ?? throw new InvalidDataException($"{file.Path} leaves the cache folder");
            await using var content = source is null
                ? await RemoteStore.OpenAsync(file, cancellationToken)
                : File.OpenRead(nodes.File(source, ns, name, file.Path)!);
            await NodeStore.WriteAsync(place, content, cancellationToken);
            source ??= node;
        }
    }

    private sealed record Job(Task Copy, CancellationTokenSource Stop, long Started);
}
