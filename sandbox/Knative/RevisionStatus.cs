using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Knative;

/// <summary>A Revision's conditions from its autoscaler and pods (knative revision_lifecycle.go): Ready needs ResourcesAvailable and ContainerHealthy, not Active.</summary>
internal static class RevisionStatus
{
    public static JsonObject Of(JsonObject revision, JsonObject autoscaler, ScaleDecision decision, List<JsonObject> pods, int ready, string? problem, TimeProvider time)
    {
        var before = revision.At("status", "conditions");
        var initialized = ready > 0 || autoscaler.At("status", "conditions").Objects().Any(c => c.Text("type") == "ScaleTargetInitialized" && c.Text("status") == "True");
        var exit = initialized ? null : pods.SelectMany(p => p.At("status", "containerStatuses").Objects())
            .Select(c => c.At("lastState", "terminated") ?? c.At("state", "terminated")).FirstOrDefault(t => t is not null);
        // Of an older revision too, as long as it wants pods and has none that is ready (reconcile_resources.go, reconcileDeployment).
        var unplaced = ready > 0 || decision.Desired == 0 ? null
            : pods.SelectMany(p => p.At("status", "conditions").Objects()).FirstOrDefault(c => c.Text("type") == "PodScheduled" && c.Text("status") == "False");
        var (status, reason, message) = unplaced is not null ? ("False", unplaced.Text("reason"), unplaced.Text("message"))
            : initialized ? ("True", null, null)
            : exit is not null ? ("False", $"ExitCode{exit.Text("exitCode")}", $"Container failed with: {exit.Text("message")}")
            : problem is not null ? ("False", "FailedCreate", problem)
            : decision.Reason == "TimedOut" ? ("False", "ProgressDeadlineExceeded", "Initial scale was never achieved")
            : ("Unknown", "Deploying", (string?)null);
        JsonObject Condition(string type, string s, string? r, string? m) => Json.Condition(before, time, type, s, r, m);
        return new()
        {
            ["observedGeneration"] = revision.At("metadata", "generation")?.DeepClone(),
            ["actualReplicas"] = ready,
            ["desiredReplicas"] = decision.Desired,
            ["conditions"] = Json.Array([
                Condition("Active", decision.Active, decision.Reason, decision.Message),
                exit is not null ? Condition("ContainerHealthy", "False", reason, message) : Condition("ContainerHealthy", initialized ? "True" : "Unknown", initialized ? null : "Deploying", null),
                Condition("Ready", status, reason, message),
                exit is not null ? Condition("ResourcesAvailable", "Unknown", "Deploying", null) : Condition("ResourcesAvailable", status, reason, message)]),
        };
    }
}
