using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale.Reads;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.ControllerManager;

/// <summary>
/// Jobs that read a claim, with their scheduler and kubelet: 1. deleted, or ended and their time is over; 2. a pod on the node that its affinity names; 3. the mount is really read there, as a predictor's;
/// 4. the pod's termination message and the Job's condition (kubernetes pkg/controller/job). No container is started: what the Job's script does, the miniature does.
/// </summary>
/// <param name="stopping">Ends running reads.</param>
internal sealed class JobController(IKubeApi api, NodeStore nodes, CachedReader reader, RemoteStore remote, TimeProvider time, CancellationToken stopping)
{
    private const string JobLabel = "batch.kubernetes.io/job-name";
    private readonly ConcurrentDictionary<string, Task<Outcome>> _reads = new();

    /// <summary>Called with a Job that has to be looked at again.</summary>
    public Action<string, string, TimeSpan> Wake { get; set; } = static (_, _, _) => { };

    public async Task ReconcileAsync(JsonObject job, CancellationToken cancellationToken)
    {
        var uid = job.Text("metadata", "uid")!;

        // 1
        if (job.Deleting())
        {
            _reads.TryRemove(uid, out _);
            return;
        }

        if (job.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") is "Complete" or "Failed") is { } end)
        {
            _reads.TryRemove(uid, out _);
            await TimeToLiveAsync(job, end, cancellationToken);
            return;
        }

        // 2
        if (!_reads.TryGetValue(uid, out var read))
        {
            if (Node(job) is not { } node)
            {
                return;
            }

            var pod = await api.EnsureAsync(Kinds.Pods, Pod(job, node), cancellationToken);
            if (pod is not null)
            {
                await PodAsync(pod, "Running", new() { ["running"] = new JsonObject { ["startedAt"] = time.Stamp() } }, cancellationToken);
                await api.SetStatusAsync(Kinds.Jobs, job, new() { ["active"] = 1, ["startTime"] = time.Stamp() }, cancellationToken);
                // 3
                _reads[uid] = ReadAsync(job, node);
            }

            return;
        }

        // 4
        if (read.IsCompleted)
        {
            await EndAsync(job, await read, cancellationToken);
        }
    }

    private async Task<Outcome> ReadAsync(JsonObject job, string node)
    {
        await Task.Yield();
        var limit = TimeSpan.FromSeconds(job.Number("spec", "activeDeadlineSeconds") ?? int.MaxValue / 1000);
        using var deadline = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stopping);
        var begin = time.GetTimestamp();
        long bytes = 0;
        string? problem = null;
        try
        {
            bytes = await MountAsync(job, node, either.Token);
        }
        catch (OperationCanceledException)
        {
            problem = "Job was active longer than specified deadline";
        }
        catch (Exception e)
        {
            problem = e.Message;
        }

        var seconds = time.GetElapsedTime(begin).TotalSeconds;
        // A moment later, when this task is seen to have ended.
        Wake(job.Namespace(), job.Name(), TimeSpan.FromMilliseconds(20));
        return new(bytes, seconds, problem, deadline.IsCancellationRequested);
    }

    /// <summary>Reads all that is mounted, file by file.</summary>
    private async Task<long> MountAsync(JsonObject job, string node, CancellationToken cancellationToken)
    {
        var spec = job.At("spec", "template", "spec");
        var claim = spec.At("volumes").Objects().Select(v => v.Text("persistentVolumeClaim", "claimName")).OfType<string>().First();
        var below = "/" + Container(job).At("volumeMounts").Objects().First().Text("subPath");
        var dataset = await api.GetAsync(Kinds.Datasets, job.Namespace(), claim, cancellationToken) ?? throw new FileNotFoundException($"Dataset {claim} is not there");
        var buffer = new byte[1 << 16];
        long bytes = 0;
        foreach (var file in (await remote.ListAsync(dataset, cancellationToken)).Where(f => below == "/" || f.Path.StartsWith(below + "/", StringComparison.Ordinal)))
        {
            await using var content = await reader.OpenAsync(node, job.Namespace(), claim, file.Path, cancellationToken);
            for (int count; (count = await content.ReadAsync(buffer, cancellationToken)) > 0; bytes += count)
            {
                // Only read.
            }
        }

        return bytes;
    }

    private async Task EndAsync(JsonObject job, Outcome outcome, CancellationToken cancellationToken)
    {
        var wanted = Container(job).At("env").Objects().FirstOrDefault(e => e.Text("name") == ReadJob.BytesVariable).Text("value");
        var good = outcome.Problem is null && outcome.Bytes >= long.Parse(wanted ?? "0", CultureInfo.InvariantCulture);
        if (await api.GetAsync(Kinds.Pods, job.Namespace(), PodName(job), cancellationToken) is { } pod)
        {
            var message = outcome.Problem ?? string.Create(CultureInfo.InvariantCulture, $"{outcome.Bytes} 100.00 {100 + outcome.Seconds:0.00}\n");
            await PodAsync(pod, good ? "Succeeded" : "Failed", new()
            {
                ["terminated"] = new JsonObject { ["exitCode"] = good ? 0 : 1, ["reason"] = good ? "Completed" : "Error", ["message"] = message, ["finishedAt"] = time.Stamp() },
            }, cancellationToken);
        }

        var condition = good ? Json.Condition(null, time, "Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods")
            : outcome.Late ? Json.Condition(null, time, "Failed", "True", "DeadlineExceeded", outcome.Problem)
            : Json.Condition(null, time, "Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
        await api.SetStatusAsync(Kinds.Jobs, job, new() { ["active"] = 0, [good ? "succeeded" : "failed"] = 1, ["conditions"] = Json.Array([condition]) }, cancellationToken);
    }

    private async Task TimeToLiveAsync(JsonObject job, JsonObject end, CancellationToken cancellationToken)
    {
        if (job.Number("spec", "ttlSecondsAfterFinished") is not { } seconds || !DateTimeOffset.TryParse(end.Text("lastTransitionTime"), CultureInfo.InvariantCulture, out var ended))
        {
            return;
        }

        var left = ended.AddSeconds(seconds) - time.GetUtcNow();
        if (left > TimeSpan.Zero)
        {
            return;
        }

        await api.DeleteAsync(Kinds.Pods, job.Namespace(), PodName(job), null, true, cancellationToken);
        await api.DeleteAsync(Kinds.Jobs, job.Namespace(), job.Name(), job.Text("metadata", "uid"), false, cancellationToken);
    }

    /// <summary>The node that the affinity names, as a DaemonSet's pods name theirs; null: none that is here, the pod stays Pending.</summary>
    private string? Node(JsonObject job) => job.At("spec", "template", "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms").Objects()
        .SelectMany(t => t["matchFields"].Objects()).Where(f => f.Text("key") == "metadata.name").SelectMany(f => f["values"] as JsonArray ?? [])
        .Select(v => v?.ToString()).FirstOrDefault(n => n is not null && nodes.Nodes.Contains(n));

    private Task PodAsync(JsonObject pod, string phase, JsonObject state, CancellationToken cancellationToken)
    {
        var container = pod.At("spec", "containers").Objects().First();
        return api.SetStatusAsync(Kinds.Pods, pod, new()
        {
            ["phase"] = phase,
            ["containerStatuses"] = Json.Array([new JsonObject
            {
                ["name"] = container.Text("name"), ["image"] = container.Text("image"), ["imageID"] = "", ["ready"] = false, ["restartCount"] = 0, ["state"] = state,
            }]),
        }, cancellationToken);
    }

    private static JsonObject Pod(JsonObject job, string node)
    {
        var labels = job.At("spec", "template", "metadata", "labels")?.DeepClone() as JsonObject ?? [];
        labels[JobLabel] = job.Name();
        labels["job-name"] = job.Name();
        var spec = job.At("spec", "template", "spec")!.DeepClone().AsObject();
        spec["nodeName"] = node;
        return new()
        {
            ["metadata"] = new JsonObject { ["name"] = PodName(job), ["namespace"] = job.Namespace(), ["labels"] = labels, ["ownerReferences"] = Json.Owner(job) },
            ["spec"] = spec,
        };
    }

    private static string PodName(JsonObject job) => $"{job.Name()}-{job.Text("metadata", "uid")![..5]}";

    private static JsonObject Container(JsonObject job) => job.At("spec", "template", "spec", "containers").Objects().First();

    private sealed record Outcome(long Bytes, double Seconds, string? Problem, bool Late);
}
