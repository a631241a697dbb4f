using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Where a woken pod runs, through the whole system: no room by the cache, and a scheduler that prefers another node.</summary>
public sealed class PlacementTests
{
    [Fact(Explicit = true)]
    public async Task Required_NoNodeByTheCacheTakesThePod_ItIsPending_ThenRelaxedAndServes()
    {
        await using var sandbox = await SandboxUp.StartAsync(["place-required"], "--scale-to-zero", "3", "--pod-start", "0.3", "--remote-mbps", "400");
        var world = await ColdStartTests.ServeAsync(sandbox, "place-required", m =>
        {
            m["spec"]!["cache"] = new JsonObject { ["replicas"] = 1 };
            (m["spec"]!["serving"]!["affinity"], m["spec"]!["serving"]!["affinityTimeoutSeconds"]) = ("required", 5);
        });
        await ColdStartTests.AtZeroAsync(world);
        var near = await CordonAsync(world, true);

        var asked = ColdStartTests.AskAsync(sandbox);
        await UserWorld.UntilAsync(async () => (await ColdStartTests.PredictorsAsync(world)).Exists(Unschedulable), () => "no pod is Pending for want of a node");
        await world.UntilAsync("sleeper", m => m.Condition("PlacementRelaxed", "status") == "True", "its placement is not relaxed");
        Assert.Equal(HttpStatusCode.OK, (await asked.WaitAsync(UserWorld.Limit)).Status);
        var runs = (await ColdStartTests.PredictorsAsync(world)).Where(p => p.Text("spec", "nodeName") is not null).ToList();
        Assert.NotEmpty(runs);
        Assert.DoesNotContain(runs, p => p.Text("spec", "nodeName") == near);
        var model = await world.UntilAsync("sleeper", m => m.Condition("Ready", "status") == "True", "it is not Ready again");
        Assert.Equal(("v1", "Serving"), (model.Text("status", "version"), model.Version("v1").Text("state")));
        Assert.EndsWith("-00002", model.Version("v1").Text("revision"), StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public async Task Required_TheNodeComesBackInTime_ThePodIsBoundThere_AndNothingIsRelaxed()
    {
        await using var sandbox = await SandboxUp.StartAsync(["place-back"], "--scale-to-zero", "3", "--pod-start", "0.3", "--remote-mbps", "400");
        var world = await ColdStartTests.ServeAsync(sandbox, "place-back", m =>
        {
            m["spec"]!["cache"] = new JsonObject { ["replicas"] = 1 };
            m["spec"]!["serving"]!["affinity"] = "required";
        });
        await ColdStartTests.AtZeroAsync(world);
        var near = await CordonAsync(world, true);
        var asked = ColdStartTests.AskAsync(sandbox);
        await UserWorld.UntilAsync(async () => (await ColdStartTests.PredictorsAsync(world)).Exists(Unschedulable), () => "no pod is Pending for want of a node");
        await CordonAsync(world, false);
        Assert.Equal(HttpStatusCode.OK, (await asked.WaitAsync(UserWorld.Limit)).Status);
        Assert.All(await ColdStartTests.PredictorsAsync(world), p => Assert.Equal(near, p.Text("spec", "nodeName")));
        var model = await world.UntilAsync("sleeper", m => m.Condition("Ready", "status") == "True", "it is not Ready again");
        Assert.NotEqual("True", model.Condition("PlacementRelaxed", "status"));
        Assert.EndsWith("-00001", model.Version("v1").Text("revision"), StringComparison.Ordinal);
        // When the wake was sent no pod would have been by the cache.
        var done = await world.UntilAsync("sleeper", m => m.Text("status", "activation", "phase") == "Ready", "the activation does not end");
        Assert.Equal(("Local", near), (done.Text("status", "activation", "verdict"), done.Text("status", "activation", "node")));
    }

    [Fact(Explicit = true)]
    public async Task Move_PodFarFromTheCache_IsPlacedAnewByIt()
    {
        await using var sandbox = await SandboxUp.StartAsync(["place-move"], ["move-remote-pods"], "--scale-to-zero", "3", "--pod-start", "3", "--remote-mbps", "400", "--fault", "stray-pods=1");
        var world = await ColdStartTests.ServeAsync(sandbox, "place-move", m => m["spec"]!["cache"] = new JsonObject { ["replicas"] = 1, ["onRemote"] = "Move" });
        await ColdStartTests.AtZeroAsync(world);
        var near = await WorkerNodeAsync(world);
        await File.WriteAllTextAsync(Path.Combine(Path.GetDirectoryName(sandbox.Kubeconfig)!, "stray-pods"), "");
        // The pod that strays may be gone within milliseconds.
        using var pods = new MadeWatch(world, "api/v1", "pods", p => p.Text("metadata", "labels", "serving.knative.dev/revision") is null ? null : p.Text("spec", "nodeName"));
        Assert.Equal(HttpStatusCode.OK, (await ColdStartTests.AskAsync(sandbox)).Status);
        Assert.True(pods.Seen.Any(n => n != near) && pods.Seen.Contains(near), $"the cache is on {near}, pods were on {string.Join(", ", pods.Seen)}");
        Assert.Equal(near, Assert.Single(await ColdStartTests.PredictorsAsync(world)).Text("spec", "nodeName"));
        var done = await world.UntilAsync("sleeper", m => m.Text("status", "activation", "phase") == "Ready", "the activation does not end");
        Assert.Equal(("Local", near), (done.Text("status", "activation", "verdict"), done.Text("status", "activation", "node")));
    }

    private static bool Unschedulable(JsonObject pod) => pod.Text("spec", "nodeName") is null && pod.Text("status", "phase") == "Pending"
        && pod.At("status", "conditions").Objects().Any(c => c.Text("type") == "PodScheduled" && c.Text("status") == "False" && c.Text("reason") == "Unschedulable"
            && c.Text("message")!.Contains("didn't match Pod's node affinity/selector", StringComparison.Ordinal));

    private static async Task<string> WorkerNodeAsync(UserWorld world) =>
        Assert.Single(await world.ListAsync("api/v1", "pods"), p => p.Text("metadata", "labels", "role") == "jindofs-worker").Text("spec", "nodeName")!;

    /// <summary>Takes the cache's only node out of scheduling, as kubectl cordon does, or lets it back in.</summary>
    private static async Task<string> CordonAsync(UserWorld world, bool cordon)
    {
        var node = await WorkerNodeAsync(world);
        await world.PatchAsync($"api/v1/nodes/{node}", new JsonObject { ["spec"] = new JsonObject { ["unschedulable"] = cordon ? true : null } }.ToJsonString());
        return node;
    }
}
