using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>What is said and done when a model wakes, through the whole system: by the watch, the source and the relay at once, and each wake once.</summary>
public sealed class ActivationTests
{
    internal const string Autoscalers = "apis/autoscaling.internal.knative.dev/v1alpha1";
    private const string Deadline = "serving.knative.dev/progress-deadline";
    private const string MinScale = "autoscaling.knative.dev/min-scale";

    [Fact(Explicit = true)]
    public async Task Wakes_WarmFailedAndAfterALostWorker_EachIsOneActivation_FirstDeployAndScaleOutAreNone()
    {
        await using var sandbox = await SandboxUp.StartAsync(["wakes"], "--scale-to-zero", "3", "--pod-start", "2.5", "--remote-mbps", "400");
        var world = await ColdStartTests.ServeAsync(sandbox, "wakes", m =>
        {
            m["spec"]!["cache"] = new JsonObject { ["verify"] = "Read" };
            m["spec"]!["serving"]!["predictor"]!["minReplicas"] = 1;
        });
        var revision = (await world.ListAsync(Autoscalers, "podautoscalers")).Single().Name();
        var (scaler, revisions) = ($"{Autoscalers}/namespaces/{world.Namespace}/podautoscalers/{revision}", $"apis/serving.knative.dev/v1/namespaces/{world.Namespace}/revisions/{revision}");

        // On each node of the cache, through the mount that pods have.
        await world.UntilAsync("sleeper", m => m.At("status", "reads").Objects().Count(r => r.Text("result") == "Passed") == 2, "it is not read on its nodes");
        Assert.Equal(2, await ReadJobsAsync(world));

        // First deploy, and 1→3.
        await world.PatchAsync(revisions, Annotation(MinScale, "3"));
        await UserWorld.UntilAsync(async () => await ReadyAsync(world) == 3, () => "it does not scale out");
        Assert.Equal([], await ToldAsync(world));
        Assert.Null((await world.ModelAsync("sleeper")).At("status", "activation"));
        await world.PatchAsync(revisions, Annotation(MinScale, "0"));
        await ColdStartTests.AtZeroAsync(world);

        // A warm wake: said before its pod is ready.
        var (warm, served) = await WakeAsync(world, null);
        Assert.Equal(("Local", "CopyOnEveryWorker", "Waking", "v1"), (warm.Text("verdict"), warm.Text("reason"), warm.Text("phase"), warm.Text("version")));
        Assert.Equal(HttpStatusCode.OK, (await served).StatusCode);
        var done = await EndedAsync(world, warm, "Ready");
        Assert.Equal(["scheduled", "image", "load", "ready"], done.At("phases").Objects().Select(p => p.Text("name")!).Where(n => n is not ("signal" or "verdict" or "mount" or "total")));
        Assert.NotNull(done.Text("node"));
        await ColdStartTests.AtZeroAsync(world);

        // A wake that fails, and is queued again while the request still waits.
        await world.PatchAsync(scaler, Annotation(Deadline, "1s"));
        var (_, waits) = await WakeAsync(world, warm);
        await UserWorld.UntilAsync(async () => (await ToldAsync(world)).Contains("ActivationTimedOut"), () => "no wake has failed");
        await world.PatchAsync(scaler, Annotation(Deadline, null));
        Assert.Equal(HttpStatusCode.OK, (await waits).StatusCode);
        await UserWorld.UntilAsync(async () => (await ToldAsync(world)).Count(t => t == "ActivationReady") == 2, async () => $"the wake after it is not ready: {string.Join(", ", await ToldAsync(world))}");

        // An Event's name follows from its wake's id, so one each is a wake each: the warm one, those that failed (on a slow machine more than one), the one that served.
        var wakes = await ToldAsync(world);
        Assert.Equal(2 + wakes.Count(t => t == "ActivationTimedOut"), wakes.Count(t => t == "ActivationLocal"));
        await ColdStartTests.AtZeroAsync(world);
        Assert.Empty(await RepairsAsync(world));

        // A cache worker that is lost takes its copy with it.
        var worker = (await world.ListAsync("api/v1", "pods")).Where(p => p.Text("metadata", "labels", "role") == "jindofs-worker").MinBy(p => p.Name())!;
        using (var gone = await sandbox.Api.DeleteAsync(new Uri($"api/v1/namespaces/{world.Namespace}/pods/{worker.Name()}", UriKind.Relative)))
        {
            Assert.True(gone.IsSuccessStatusCode);
        }

        await world.UntilAsync("sleeper", m => m.Text("status", "locality", "verdict") == "Partial", "the status does not say that a copy is gone");
        var (partial, repaired) = await WakeAsync(world, await LastAsync(world));
        Assert.Equal(("Partial", "EvictedByWorkerRestart"), (partial.Text("verdict"), partial.Text("reason")));
        Assert.Matches($"^evicted: worker on {worker.Text("spec", "nodeName")} restarted [0-9]+ s ago, 50 % of .* left; ", partial.Text("message")!);
        Assert.Equal(HttpStatusCode.OK, (await repaired).StatusCode);
        await EndedAsync(world, partial, "Ready");
        await UserWorld.UntilAsync(async () => (await RepairsAsync(world)).Any(l => l.Text("status", "phase") == "Complete"), () => "nothing is repaired");
        await world.UntilAsync("sleeper", m => m.Text("status", "locality", "verdict") == "Local", "the copy is not back");
        Assert.Single(await RepairsAsync(world));
        await UserWorld.UntilAsync(async () => await ReadJobsAsync(world) == 3, () => "the node of the new worker is not read again");
        await world.UntilAsync("sleeper", m => m.At("status", "reads").Objects().Count(r => r.Text("result") == "Passed") == 2, "it is not read on its nodes");

        // By the watch and by the source, and counted once each.
        var told = await ToldAsync(world);
        Assert.Equal(1, told.Count(t => t == "ActivationPartial"));
        Assert.Equal(told.Count(t => t is "ActivationLocal" or "ActivationPartial"), await ColdStartTests.MetricAsync(sandbox, "prewarm_activations_total", sandbox.LineMetrics));
        await UserWorld.UntilAsync(async () => await EndsAsync(world) == told.Count(t => t is "ActivationLocal" or "ActivationPartial"), async () => $"begun and ended: {string.Join(", ", await ToldAsync(world))}");
    }

    /// <summary>Asks for a prediction; what is said of the wake while no pod is ready.</summary>
    private static async Task<(JsonObject Activation, Task<HttpResponseMessage> Answer)> WakeAsync(UserWorld world, JsonObject? before)
    {
        var body = new StringContent(new JsonObject { ["prompt"] = TrainedModels.Prompt, ["result_length"] = 20 }.ToJsonString(), Encoding.UTF8, "application/json");
        var answer = world.Sandbox.Relay.PostAsync(new Uri("/v1/models/sleeper:predict", UriKind.Relative), body);
        JsonObject? activation = null;
        await UserWorld.UntilAsync(async () => (activation = await LastAsync(world)) is not null && activation.Text("id") != before.Text("id"), () => "nothing is said of the wake");
        Assert.True(activation.Text("phase") == "Waking", $"it was said too late: {activation!.ToJsonString()}");
        return (activation, answer);
    }

    private static async Task<JsonObject> EndedAsync(UserWorld world, JsonObject activation, string phase)
    {
        var model = await world.UntilAsync("sleeper", m => m.Text("status", "activation", "id") == activation.Text("id") && m.Text("status", "activation", "phase") == phase, $"the activation is not {phase}");
        return model.At("status", "activation")!.AsObject();
    }

    private static async Task<JsonObject?> LastAsync(UserWorld world) => (await world.ModelAsync("sleeper")).At("status", "activation") as JsonObject;

    private static async Task<List<string>> ToldAsync(UserWorld world) =>
        [.. (await world.ListAsync("api/v1", "events")).Select(e => e.Text("reason")!).Where(r => r.StartsWith("Activation", StringComparison.Ordinal))];

    private static async Task<int> EndsAsync(UserWorld world) => (await ToldAsync(world)).Count(t => t is "ActivationReady" or "ActivationTimedOut" or "ActivationEnded");

    private static async Task<int> ReadyAsync(UserWorld world) =>
        (await world.ListAsync(Autoscalers, "podautoscalers")).Sum(a => int.Parse(a.Text("status", "actualScale") ?? "0", CultureInfo.InvariantCulture));

    private static async Task<List<JsonObject>> RepairsAsync(UserWorld world) =>
        [.. (await world.ListAsync("apis/data.fluid.io/v1alpha1", "dataloads")).Where(l => l.Name().Contains("-wake", StringComparison.Ordinal))];

    private static async Task<int> ReadJobsAsync(UserWorld world) => (await world.ListAsync("apis/batch/v1", "jobs")).Count;

    private static string Annotation(string name, string? value) =>
        new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [name] = value } } }.ToJsonString();
}
