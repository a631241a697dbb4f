using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>
/// Follows one activation:
/// 1. the verdict, from memory; 2. told once by all who see it: counted, as an Event, in the status; 3. a repair, when it helps;
/// 4. once the pod is bound, the verdict for its node; 5. at the end, the time line, and the repair that was to follow.
/// </summary>
internal sealed class ActivationRun(ScaleBoard board, ActivationWriter writer, WakeLoads loads, TimeProvider time, ILogger<ActivationRun> logger)
{
    /// <summary>After a start the cache's objects may not have been listed when the first wake is seen; who may not list nodes waits no longer than this, once.</summary>
    private static readonly TimeSpan ListLimit = TimeSpan.FromSeconds(5);

    /// <summary>The pods' watch may be behind the autoscalers'.</summary>
    private static readonly TimeSpan PodLimit = TimeSpan.FromSeconds(2);

    /// <summary>Longer than Knative's progress deadline.</summary>
    private static readonly TimeSpan LifeLimit = TimeSpan.FromMinutes(30);

    /// <summary>Seconds from a wake until the pod reads its first bytes, where none was measured.</summary>
    private const double UsualPodStart = 10;

    private readonly DateTimeOffset _started = time.GetUtcNow();
    private double _podStart = UsualPodStart;

    public async Task RunAsync(Activation activation, CancellationToken cancellationToken)
    {
        // 1
        if (await SeenAsync(activation, cancellationToken) is not { } facts)
        {
            return;
        }

        var verdict = facts.Locality(time.GetUtcNow());
        var decided = time.GetUtcNow();
        var plan = RepairPlan.Of(facts, verdict, Volatile.Read(ref _podStart));
        var status = activation.Status("Waking", facts.Version, verdict, plan.Message, Node(facts, null), null);

        // 2
        var mine = await writer.ClaimAsync(facts.Model, activation, "begun", $"Activation{verdict.Locality}", $"revision {activation.Revision} wakes: {status.Message}",
            verdict.Locality is Locality.Cold or Locality.Partial or Locality.Unknown, cancellationToken);
        if (mine)
        {
            ScaleMetrics.Activated(activation.Model, status.Verdict!);
            Log.Activated(logger, activation.Model, activation.Id, activation.Revision, status.Verdict!, status.Message!);
            await writer.WriteAsync(facts.Model, activation, status, cancellationToken);
        }
        else if (await writer.ReadAsync(activation.Model, cancellationToken) is var written && written?.Id != activation.Id && (written?.Since is not { } since || since < activation.Since))
        {
            // Whoever claimed it ended before it wrote.
            await writer.WriteAsync(facts.Model, activation, status, cancellationToken);
        }

        // 3: the name of the load makes one of what several replicas decide.
        if (plan.When == RepairTime.Now)
        {
            await RepairAsync(activation, facts, plan, cancellationToken);
        }

        // 4: where policy has it moved, once more.
        Pod? moved = null;
        do
        {
            await BoundAsync(activation, moved, cancellationToken);
            if (!mine || activation.End.IsCompleted || board.Facts(activation.Autoscaler) is not { Version: not null } bound || Node(bound, moved) is not { } node)
            {
                break;
            }

            verdict = bound.Locality(time.GetUtcNow());
            moved = moved is null && PodMove.Of(bound, verdict) is { } pod && await writer.EvictAsync(activation, pod, cancellationToken) ? pod : null;
            status = activation.Status("Waking", bound.Version, verdict, moved is null ? plan.Message : "the pod is placed anew", node, null);
            await writer.WriteAsync(bound.Model, activation, status, cancellationToken);
        }
        while (moved is not null);

        // 5
        var (phase, ended) = await activation.End.WaitAsync(LifeLimit, time, cancellationToken);
        await EndAsync(activation, facts, mine, phase, ended, decided, verdict, cancellationToken);
    }

    private async Task EndAsync(
        Activation activation, ModelFacts begun, bool mine, string phase, DateTimeOffset ended, DateTimeOffset decided, LocalityVerdict verdict, CancellationToken cancellationToken)
    {
        var pod = phase == "Ready" ? await ReadyPodAsync(activation, cancellationToken) : null;
        var phases = ColdStart.Phases(activation.Since, activation.Seen, decided, pod, ended);
        if (pod is not null)
        {
            Volatile.Write(ref _podStart, phases.Where(p => p.Name is "scheduled" or "mount" or "image").Sum(p => p.Seconds));
        }

        var facts = board.Facts(activation.Autoscaler) ?? begun;
        var total = phases[^1].Seconds;
        var text = $"revision {activation.Revision} {(phase == "Ready" ? "is ready" : phase == "TimedOut" ? "did not get ready" : "went back to zero")} after {Text(total)}: "
            + string.Join(", ", phases.SkipLast(1).Select(p => $"{p.Name} {Text(p.Seconds)}"));
        var end = activation.Status(phase, facts.Version, verdict, "", pod?.Spec?.NodeName, phases);
        if (await writer.ClaimAsync(facts.Model, activation, "ended", $"Activation{phase}", text, phase != "Ready", cancellationToken))
        {
            phases.ForEach(ScaleMetrics.Took);
            Log.ActivationEnded(logger, activation.Model, activation.Id, phase, total);
            Trace(activation, facts, verdict, phase, phases, ended);
            await writer.WriteAsync(facts.Model, activation, end, cancellationToken);
        }
        else if (mine && await writer.ReadAsync(activation.Model, cancellationToken) is { Phase: "Waking" } written && written.Id == activation.Id)
        {
            // Another replica saw the end first, and our last word on the beginning came after it.
            await writer.WriteAsync(facts.Model, activation, end, cancellationToken);
        }

        if (RepairPlan.Of(facts, facts.Locality(time.GetUtcNow()), null) is { When: RepairTime.Now } after)
        {
            await RepairAsync(activation, facts, after, cancellationToken);
        }
    }

    private async Task RepairAsync(Activation activation, ModelFacts facts, RepairPlan plan, CancellationToken cancellationToken)
    {
        try
        {
            var (load, otherwise) = await loads.LoadAsync(activation.Model, facts.Version?.Digest, cancellationToken);
            Log.Repair(logger, activation.Model, load ?? "none", otherwise ?? plan.Message);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            // The sweep's next look, or the next wake, finds the cache as it is.
            Log.RepairFailed(logger, activation.Model, e.Message);
        }
    }

    private async Task<ModelFacts?> SeenAsync(Activation activation, CancellationToken cancellationToken)
    {
        var limit = _started + ListLimit;
        while (true)
        {
            var next = board.NextChange;
            var facts = board.Facts(activation.Autoscaler);
            if (facts is null or { CacheSeen: true, OpenNodes: not null } || time.GetUtcNow() >= limit || !await WithinAsync(next, limit, cancellationToken))
            {
                return facts;
            }
        }
    }

    /// <param name="except">A pod that has been deleted.</param>
    private async Task BoundAsync(Activation activation, Pod? except, CancellationToken cancellationToken)
    {
        while (!activation.End.IsCompleted)
        {
            var next = activation.NextPod;
            if (board.Facts(activation.Autoscaler) is { } facts && Node(facts, except) is not null)
            {
                return;
            }

            await Task.WhenAny(next, activation.End).WaitAsync(LifeLimit, time, cancellationToken);
        }
    }

    private async Task<Pod?> ReadyPodAsync(Activation activation, CancellationToken cancellationToken)
    {
        var limit = time.GetUtcNow() + PodLimit;
        while (true)
        {
            var next = activation.NextPod;
            var pod = board.Facts(activation.Autoscaler)?.Pods.Where(p => p.Status?.Conditions?.Exists(c => c is { Type: "Ready", Status: "True" }) == true)
                .MinBy(p => p.Metadata.CreationTimestamp ?? DateTimeOffset.MaxValue);
            if (pod is not null || time.GetUtcNow() >= limit || !await WithinAsync(next, limit, cancellationToken))
            {
                return pod;
            }
        }
    }

    private async Task<bool> WithinAsync(Task task, DateTimeOffset limit, CancellationToken cancellationToken)
    {
        try
        {
            var left = limit - time.GetUtcNow();
            await task.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>A span per phase under one of the wake, in the trace of the request that woke it, linked to the upload that the version came from.</summary>
    private static void Trace(Activation activation, ModelFacts facts, LocalityVerdict verdict, string phase, List<ActivationPhase> phases, DateTimeOffset ended)
    {
        var parent = ActivityContext.TryParse(activation.Traceparent, null, isRemote: true, out var request) ? request : default;
        ActivityLink[] links = ActivityContext.TryParse(facts.Version?.Traceparent, null, isRemote: true, out var upload) ? [new(upload)] : [];
        using var span = LineTracing.Source.StartActivity("activation", ActivityKind.Internal, parent, links: links, startTime: activation.Since);
        if (span is null)
        {
            return;
        }

        span.SetTag("prewarm.model", activation.Model.ToString());
        span.SetTag("prewarm.version", facts.Version?.Name);
        span.SetTag("prewarm.activation", activation.Id);
        span.SetTag("prewarm.locality", verdict.Locality.ToString());
        span.SetTag("prewarm.phase", phase);
        var at = activation.Since;
        foreach (var part in phases.Where(p => p.Name is "scheduled" or "mount" or "image" or "load" or "ready"))
        {
            using var child = LineTracing.Source.StartActivity(part.Name, ActivityKind.Internal, span.Context, startTime: at);
            at += TimeSpan.FromSeconds(part.Seconds);
            child?.SetEndTime(at.UtcDateTime);
        }

        span.SetEndTime(ended.UtcDateTime);
    }

    private static string? Node(ModelFacts facts, Pod? except) => facts.Pods.Where(p => p.Metadata.DeletionTimestamp is null && p.Metadata.Uid != except?.Metadata.Uid).Select(p => p.Spec?.NodeName).FirstOrDefault(n => n is not null);

    private static string Text(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0##} s");
}
