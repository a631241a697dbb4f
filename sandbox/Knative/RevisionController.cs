using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Knative;

/// <summary>
/// Knative's Revision and PodAutoscaler reconcilers and the autoscaler: keeps the PodAutoscaler, its pods and the Revision's conditions
/// (knative/serving pkg/reconciler/{revision,autoscaling/kpa}; facts/knative.md §1, §2).
/// </summary>
internal sealed class RevisionController(IKubeApi api, RevisionTraffics traffics, PodPlacement placement, KnativeOptions options, TimeProvider time, Action<string> log)
{
    public const string RevisionLabel = "serving.knative.dev/revision";
    private readonly Random _random = new(17);
    private readonly ConcurrentDictionary<(string Namespace, string Name), bool> _unplaced = new();
    private KeyedQueue<(string Namespace, string Name)>? _queue;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _queue = new(ReconcileAsync, log, time, cancellationToken);
        await Task.WhenAll(
            FollowAsync(Kinds.Revisions, null, r => r.Name(), cancellationToken),
            FollowAsync(Kinds.PodAutoscalers, null, a => a.Name(), cancellationToken),
            FollowAsync(Kinds.Pods, RevisionLabel, p => p.Text("metadata", "labels", RevisionLabel)!, cancellationToken),
            TickAsync(cancellationToken));
    }

    /// <summary>A request waits at a revision without pods.</summary>
    public void Wake(string ns, string revision) => _queue?.Add((ns, revision));

    private async Task FollowAsync(ResourceType<JsonObject> type, string? selector, Func<JsonObject, string> revision, CancellationToken cancellationToken)
    {
        await foreach (var change in new Reflector<JsonObject>(api, type, null, selector, time, _random).RunAsync(cancellationToken))
        {
            JsonObject[] seen = change switch
            {
                Delta<JsonObject>.Replace all => [.. all.Items],
                Delta<JsonObject>.Upsert one => [one.Object],
                Delta<JsonObject>.Remove { Object: { } gone } => [gone],
                _ => [],
            };
            foreach (var obj in seen)
            {
                Wake(obj.Namespace(), revision(obj));
            }
        }
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(options.Look, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            foreach (var (ns, name) in _unplaced.Keys)
            {
                Wake(ns, name);
            }

            foreach (var (ns, name, traffic) in traffics.All)
            {
                var pods = traffic.Pods.Length;
                var idle = traffic.Concurrency == 0 && time.GetUtcNow() - traffic.LastActive >= options.ScaleToZero;
                if (pods > 0 ? idle || traffic.Concurrency > pods * options.TargetConcurrency : traffic.Waiting > 0)
                {
                    Wake(ns, name);
                }
            }
        }
    }

    private async Task ReconcileAsync((string Namespace, string Name) key, CancellationToken cancellationToken)
    {
        var (ns, name) = key;
        var revision = await api.GetAsync(Kinds.Revisions, ns, name, cancellationToken);
        if (revision is null || revision.Deleting())
        {
            traffics.Forget(ns, name);
            _unplaced.TryRemove(key, out _);
            return;
        }

        var autoscaler = await AutoscalerAsync(revision, cancellationToken);
        if (autoscaler is null)
        {
            return;
        }

        var pods = (await api.ListAsync(Kinds.Pods, ns, $"{RevisionLabel}={name}", cancellationToken)).Items.Where(p => !p.Deleting()).ToList();
        var ready = pods.Count(Ready);
        var decision = ScaleDecision.Of(View(autoscaler, traffics.Of(ns, name), pods.Count, ready), Deadline(autoscaler) is { } deadline ? options with { ProgressDeadline = deadline } : options);
        await api.SetStatusAsync(Kinds.PodAutoscalers, autoscaler, decision.Status(autoscaler, ready, time), cancellationToken);
        string? problem = null;
        for (var i = pods.Count; i < decision.Desired && problem is null; i++)
        {
            problem = await StartPodAsync(revision, cancellationToken);
        }

        await PlaceAsync(revision, pods, cancellationToken);

        foreach (var pod in pods.OrderBy(Ready).Take(Math.Max(0, pods.Count - decision.Desired)))
        {
            traffics.Of(ns, name).Remove(pod.Name());
            await api.DeleteAsync(Kinds.Pods, ns, pod.Name(), pod.Text("metadata", "uid"), true, cancellationToken);
        }

        await api.SetStatusAsync(Kinds.Revisions, revision, RevisionStatus.Of(revision, autoscaler, decision, pods, ready, problem, time), cancellationToken);
    }

    private ScaleView View(JsonObject autoscaler, RevisionTraffic traffic, int alive, int ready)
    {
        var conditions = autoscaler.At("status", "conditions").Objects().ToDictionary(c => c.Text("type")!);
        var active = conditions.GetValueOrDefault("Active");
        TimeSpan? queued = active.Text("reason") == "Queued" && DateTimeOffset.TryParse(active.Text("lastTransitionTime"), CultureInfo.InvariantCulture, out var since)
            ? time.GetUtcNow() - since : null;
        int Bound(string key) => autoscaler.Number("metadata", "annotations", "autoscaling.knative.dev/" + key) ?? 0;
        return new(conditions.GetValueOrDefault("ScaleTargetInitialized").Text("status") == "True", alive, ready, traffic.Concurrency,
            time.GetUtcNow() - traffic.LastActive, queued, active.Text("reason") == "TimedOut", Bound("min-scale"), Bound("max-scale"));
    }

    /// <summary>The PodAutoscaler's own progress deadline, a Go duration of whole seconds (knative pa_lifecycle.go, ProgressDeadline).</summary>
    private static TimeSpan? Deadline(JsonObject autoscaler) => autoscaler.Text("metadata", "annotations", "serving.knative.dev/progress-deadline") is { } text
        && text.EndsWith('s') && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>The PodAutoscaler of a revision; its autoscaling annotations follow the Revision's (Knative ≥ 1.21, facts/knative.md §2).</summary>
    private async Task<JsonObject?> AutoscalerAsync(JsonObject revision, CancellationToken cancellationToken)
    {
        const string prefix = "autoscaling.knative.dev/";
        static Dictionary<string, string?> Scaling(JsonObject of) =>
            (of.At("metadata", "annotations") as JsonObject ?? []).Where(a => a.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(a => a.Key, a => a.Value?.ToString());
        var labels = revision.At("metadata", "labels")?.DeepClone() as JsonObject ?? [];
        labels["app"] = revision.Name();
        labels[RevisionLabel] = revision.Name();
        var autoscaler = await api.EnsureAsync(Kinds.PodAutoscalers, new()
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = revision.Name(),
                ["namespace"] = revision.Namespace(),
                ["labels"] = labels,
                ["annotations"] = revision.At("metadata", "annotations")?.DeepClone(),
                ["ownerReferences"] = Json.Owner(revision),
            },
            ["spec"] = new JsonObject
            {
                ["protocolType"] = "http1",
                ["reachability"] = "Reachable",
                ["scaleTargetRef"] = new JsonObject { ["apiVersion"] = "apps/v1", ["kind"] = "Deployment", ["name"] = revision.Name() + "-deployment" },
            },
        }, cancellationToken);
        if (autoscaler is null)
        {
            return null;
        }

        var (wanted, there) = (Scaling(revision), Scaling(autoscaler));
        var patch = new JsonObject();
        foreach (var key in wanted.Keys.Union(there.Keys).Where(k => wanted.GetValueOrDefault(k) != there.GetValueOrDefault(k)))
        {
            patch[key] = wanted.GetValueOrDefault(key);
        }

        return patch.Count == 0 ? autoscaler : await api.MergePatchAsync(Kinds.PodAutoscalers, autoscaler.Namespace(), autoscaler.Name(),
            new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = patch } }.ToJsonString(), null, cancellationToken);
    }

    /// <summary>Makes a pod, on the node that suits it if there is one; the text says why it could not be made.</summary>
    private async Task<string?> StartPodAsync(JsonObject revision, CancellationToken cancellationToken)
    {
        var (node, problem) = await placement.PickAsync(revision, cancellationToken);
        try
        {
            var pod = await api.CreateAsync(Kinds.Pods, revision.Namespace(), PredictorPod.Of(revision, node, _random), cancellationToken);
            if (node is null)
            {
                await api.SetStatusAsync(Kinds.Pods, pod, placement.Waiting(pod, problem!), cancellationToken);
            }

            return null;
        }
        catch (KubeApiException e) when (!e.IsTransient)
        {
            return e.Message;
        }
    }

    /// <summary>Binds what found no node before, as soon as one fits; looked at with every tick until then.</summary>
    private async Task PlaceAsync(JsonObject revision, List<JsonObject> pods, CancellationToken cancellationToken)
    {
        var key = (revision.Namespace(), revision.Name());
        var waiting = pods.Where(p => p.Text("spec", "nodeName") is null).ToList();
        if (waiting.Count == 0)
        {
            _unplaced.TryRemove(key, out _);
            return;
        }

        _unplaced[key] = true;
        foreach (var pod in waiting)
        {
            try
            {
                var (node, problem) = await placement.PickAsync(revision, cancellationToken);
                await (node is null ? api.SetStatusAsync(Kinds.Pods, pod, placement.Waiting(pod, problem!), cancellationToken) : placement.BindAsync(pod, node, cancellationToken));
            }
            catch (KubeApiException e) when (!e.IsTransient)
            {
                log($"pod {pod.Name()}: {e.Message}");
            }
        }
    }

    private static bool Ready(JsonObject pod) => pod.At("status", "conditions").Objects().Any(c => c.Text("type") == "Ready" && c.Text("status") == "True");
}
