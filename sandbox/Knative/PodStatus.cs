using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Knative;

/// <summary>Writes what a kubelet says of a pod.</summary>
internal sealed class PodStatus(IKubeApi api, JsonObject pod, TimeProvider time)
{
    private readonly string _began = time.Stamp();
    private int _restarts;
    private JsonObject? _last;

    public Task WaitingAsync(string reason, string? message, CancellationToken cancellationToken) =>
        WriteAsync("Pending", false, new() { ["waiting"] = new JsonObject { ["reason"] = reason, ["message"] = message } }, cancellationToken);

    public Task RunningAsync(CancellationToken cancellationToken) =>
        WriteAsync("Running", false, new() { ["running"] = new JsonObject { ["startedAt"] = time.Stamp() } }, cancellationToken);

    public Task ReadyAsync(CancellationToken cancellationToken) =>
        WriteAsync("Running", true, new() { ["running"] = new JsonObject { ["startedAt"] = time.Stamp() } }, cancellationToken);

    public Task CrashedAsync(string message, CancellationToken cancellationToken)
    {
        _restarts++;
        _last = new() { ["terminated"] = new JsonObject { ["exitCode"] = 1, ["reason"] = "Error", ["message"] = message, ["startedAt"] = _began, ["finishedAt"] = time.Stamp() } };
        return WriteAsync("Running", false, new()
        {
            ["waiting"] = new JsonObject { ["reason"] = "CrashLoopBackOff", ["message"] = $"back-off restarting failed container of pod {pod.Name()}" },
        }, cancellationToken);
    }

    private Task WriteAsync(string phase, bool ready, JsonObject state, CancellationToken cancellationToken)
    {
        var container = pod.At("spec", "containers").Objects().First();
        var entry = new JsonObject
        {
            ["name"] = container.Text("name"),
            ["image"] = container.Text("image") ?? "none",
            ["ready"] = ready,
            ["restartCount"] = _restarts,
            ["state"] = state,
        };
        if (_last is not null)
        {
            entry["lastState"] = _last.DeepClone();
        }

        JsonObject Condition(string type, bool yes) => new()
        {
            ["type"] = type,
            ["status"] = yes ? "True" : "False",
            ["lastTransitionTime"] = yes && type != "Ready" && type != "ContainersReady" ? _began : time.Stamp(),
        };
        var status = new JsonObject
        {
            ["phase"] = phase,
            ["startTime"] = _began,
            ["podIP"] = "127.0.0.1",
            ["hostIP"] = "127.0.0.1",
            ["containerStatuses"] = Json.Array([entry]),
            ["conditions"] = Json.Array([Condition("Initialized", phase == "Running"), Condition("Ready", ready), Condition("ContainersReady", ready), Condition("PodScheduled", true)]),
        };
        return api.MergePatchAsync(Kinds.Pods, pod.Namespace(), pod.Name(), new JsonObject { ["status"] = status }.ToJsonString(), "status", cancellationToken);
    }
}
