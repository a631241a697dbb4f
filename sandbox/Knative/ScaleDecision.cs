using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Knative;

/// <summary>What the autoscaler sees of one revision.</summary>
/// <param name="Initialized">It has had its first ready pod (ScaleTargetInitialized).</param>
/// <param name="Alive">Pods that are there and not being deleted.</param>
/// <param name="Queued">How long it has been waking without a ready pod; null when it is not waking.</param>
internal readonly record struct ScaleView(bool Initialized, int Alive, int Ready, int Concurrency, TimeSpan Idle, TimeSpan? Queued, bool TimedOut, int Min, int Max);

/// <summary>The autoscaler's decision, pure: how many pods, and what the condition Active says (knative kpa.go:275-321).</summary>
internal readonly record struct ScaleDecision(int Desired, string Active, string? Reason, string? Message)
{
    public static ScaleDecision Of(ScaleView view, KnativeOptions options)
    {
        var wanted = (view.Concurrency + options.TargetConcurrency - 1) / options.TargetConcurrency;
        // initial-scale 1 for a first deployment; while used, never below 1.
        var floor = !view.Initialized || view.Concurrency > 0 || (view.Alive > 0 && view.Idle < options.ScaleToZero) ? 1 : 0;
        var desired = Math.Max(Math.Max(wanted, floor), view.Min);
        desired = view.Max > 0 ? Math.Min(desired, view.Max) : desired;
        var late = view.Ready == 0 && view.Queued > options.ProgressDeadline;
        if (late || (view.TimedOut && (view.Concurrency == 0 || !view.Initialized)))
        {
            return new(0, "False", "TimedOut", "The target could not be activated.");
        }

        return desired == 0 ? new(0, "False", "NoTraffic", "The target is not receiving traffic.")
            : view.Ready >= Math.Max(1, view.Min) ? new(desired, "True", null, null)
            : new(desired, "Unknown", "Queued", "Requests to the target are being buffered as resources are provisioned.");
    }

    /// <summary>The status of the PodAutoscaler that goes with the decision.</summary>
    public JsonObject Status(JsonObject autoscaler, int ready, TimeProvider time)
    {
        var before = autoscaler.At("status", "conditions");
        var initialized = ready > 0 || before.Objects().Any(c => c.Text("type") == "ScaleTargetInitialized" && c.Text("status") == "True");
        return new()
        {
            ["observedGeneration"] = autoscaler.At("metadata", "generation")?.DeepClone(),
            ["serviceName"] = autoscaler.Name(),
            ["metricsServiceName"] = autoscaler.Name() + "-private",
            ["desiredScale"] = Desired,
            ["actualScale"] = ready,
            ["conditions"] = Json.Array([
                Json.Condition(before, time, "Active", Active, Reason, Message),
                Json.Condition(before, time, "Ready", Active, Reason, Message),
                ready > 0 ? Json.Condition(before, time, "SKSReady", "True") : Json.Condition(before, time, "SKSReady", "Unknown", "NotReady", "Private k8s service has no ready pods"),
                Json.Condition(before, time, "ScaleTargetInitialized", initialized ? "True" : "Unknown")]),
        };
    }
}
