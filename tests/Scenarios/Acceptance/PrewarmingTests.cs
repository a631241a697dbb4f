using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>A model that people call at a time they know: at zero before, its cache and pod there before the first call, down and let go after it.</summary>
public sealed class PrewarmingTests
{
    [Fact(Explicit = true)]
    public async Task Window_CacheAndPodAreThereBeforeTheFirstCall_AndGoneAfter_WithoutARevision()
    {
        await using var sandbox = await SandboxUp.StartAsync(["prewarm-window"], "--scale-to-zero", "3", "--pod-start", "1", "--remote-mbps", "400", "--replicas", "2");
        var world = await ColdStartTests.ServeAsync(sandbox, "prewarm-window");
        await ColdStartTests.AtZeroAsync(world);
        var revisions = (await world.ListAsync("apis/serving.knative.dev/v1", "revisions")).Count;

        // Overnight: nobody has called, no window is near.
        await ChangeAsync(world, """{"cache":"Release","cacheIdleMinutes":0,"podLeadSeconds":10,"cacheLeadSeconds":15}""");
        await world.UntilAsync("sleeper", m => m.Text("status", "prewarm", "cache") == "Released", "its cache is not let go");
        await WorkersAsync(world, 0);
        // A model whose cache is away still answers.
        Assert.Equal(HttpStatusCode.OK, (await ColdStartTests.AskAsync(sandbox)).Status);
        await ColdStartTests.AtZeroAsync(world);

        // The window begins with a minute, and not too soon. Between the cache's time and the pod's the prewarmer is killed: the next one waits twenty seconds for the turn of the dead one.
        var start = TimeProvider.System.GetUtcNow().AddSeconds(60);
        start = new DateTimeOffset(start.Year, start.Month, start.Day, start.Hour, start.Minute, 0, TimeSpan.Zero).AddMinutes(1);
        await ChangeAsync(world, string.Create(CultureInfo.InvariantCulture,
            $$$"""{"cache":"Release","cacheIdleMinutes":0,"podLeadSeconds":10,"cacheLeadSeconds":35,"windows":[{"cron":"{{{start.Minute}}} {{{start.Hour}}} * * *","minutes":0.6,"pods":1}],"budget":{"podHours":0.5} }"""));
        await world.UntilAsync("sleeper", m => m.At("metadata", "annotations", "prewarm.dev/cache") is null, "its cache is not taken back", TimeSpan.FromSeconds(150));
        await KillAsync(sandbox);
        await UserWorld.UntilAsync(async () => (await ColdStartTests.PredictorsAsync(world)).Any(p => p.At("status", "conditions").Objects().Any(c => c.Text("type") == "Ready" && c.Text("status") == "True")), () => "no pod is up before the window", TimeSpan.FromSeconds(90));
        await WorkersAsync(world, 2);
        await world.UntilAsync("sleeper", m => m.Text("status", "locality", "verdict") is "Local" or "Spread", "its cache is not loaded");
        Assert.True(TimeProvider.System.GetUtcNow() < start.AddSeconds(10), "it came too late");
        await ColdStartTests.UpAsync(world);
        var answer = await ColdStartTests.AskAsync(sandbox);
        Assert.Equal((HttpStatusCode.OK, null), (answer.Status, answer.ColdStart));
        var during = await world.ModelAsync("sleeper");
        Assert.Equal(1, during.Number("status", "prewarm", "pods"));
        Assert.InRange((double)during.At("status", "prewarm", "podSeconds")!, 1, 60);

        // After it: nobody calls, so it is down within a window of the autoscaler, and so is its cache.
        await UserWorld.UntilAsync(async () => TimeProvider.System.GetUtcNow() > start.AddSeconds(36) && (await ColdStartTests.PredictorsAsync(world)).Count == 0, () => "it stays up", TimeSpan.FromSeconds(120));
        await world.UntilAsync("sleeper", m => m.Text("status", "prewarm", "cache") == "Released" && m.Number("status", "prewarm", "pods") == 0, "its cache is not let go again");
        var held = await world.ListAsync("apis/serving.knative.dev/v1", "revisions");
        Assert.Equal(revisions, held.Count);
        Assert.All(held, r => Assert.Null(r.At("metadata", "labels", "prewarm.dev/held")));
        Assert.InRange((double)(await world.ModelAsync("sleeper")).At("status", "prewarm", "podSeconds")!, 30, 60);
    }

    [Fact(Explicit = true)]
    public async Task Cache_TakenBackForManyPods_HasACopyOnEachNodeThatTheyNeed_AndAsManyAsTheSpecSaysOtherwise()
    {
        await using var sandbox = await SandboxUp.StartAsync(["prewarm-workers"], "--scale-to-zero", "3", "--pod-start", "1", "--remote-mbps", "800");
        var world = await ColdStartTests.ServeAsync(sandbox, "prewarm-workers", m => m["spec"]!["cache"] = new JsonObject { ["replicas"] = 1, ["keepVersions"] = 1 });
        await world.UploadAsync(await TrainedModels.LargeAsync("orchard", 8_000_000), "models/v2");
        await world.ServesAsync("sleeper", "v2");
        await ColdStartTests.AtZeroAsync(world);
        var revisions = (await world.ListAsync("apis/serving.knative.dev/v1", "revisions")).Count;
        await ReleasedAsync(world);

        // A thousand pods would read 8 MB each in a second: seven nodes' bandwidth, three are allowed. Nothing is spent on the pods themselves.
        await ChangeAsync(world, """{"windows":[{"cron":"* * * * *","minutes":5,"pods":1000}],"podLeadSeconds":1,"maxCacheWorkers":3,"budget":{"podHours":0} }""");
        await WorkersAsync(world, 3);
        var back = await world.UntilAsync("sleeper", m => m.Text("status", "locality", "verdict") == "Local", "its cache is not loaded");
        Assert.Equal((3, 3), (back.Number("status", "locality", "copies"), back.Number("status", "locality", "workers")));
        Assert.Contains((await world.ListAsync("apis/data.fluid.io/v1alpha1", "dataloads")), l => l.Name().EndsWith("-wake", StringComparison.Ordinal) && l.At("spec", "target").Objects().All(t => t.Number("replicas") is 3));
        var answer = await ColdStartTests.AskAsync(sandbox);
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Contains("Local", $"{(await world.ModelAsync("sleeper")).At("status", "locality")}", StringComparison.Ordinal);

        // Let go, and kept again for nobody in particular.
        await ReleasedAsync(world);
        await ChangeAsync(world, """{"cache":"Keep","maxCacheWorkers":3}""");
        await WorkersAsync(world, 1);
        await world.UntilAsync("sleeper", m => m.Text("status", "locality", "verdict") == "Local" && m.Number("status", "locality", "copies") == 1, "its cache is not loaded again");
        Assert.Equal(revisions, (await world.ListAsync("apis/serving.knative.dev/v1", "revisions")).Count);
    }

    private static async Task ReleasedAsync(UserWorld world)
    {
        await ChangeAsync(world, """{"cache":"Release","cacheIdleMinutes":0,"windows":null,"budget":null}""");
        await world.UntilAsync("sleeper", m => m.Text("status", "prewarm", "cache") == "Released", "its cache is not let go");
        await WorkersAsync(world, 0);
    }

    private static async Task KillAsync(SandboxUp sandbox)
    {
        if (sandbox.Deployed)
        {
            var pods = new UserWorld(sandbox, "prewarm-system", "none");
            foreach (var pod in (await pods.ListAsync("api/v1", "pods")).Where(p => p.Text("metadata", "labels", "serving.knative.dev/service") == "prewarm-prewarmer"))
            {
                using var gone = await sandbox.Api.DeleteAsync(new Uri($"api/v1/namespaces/prewarm-system/pods/{pod.Name()}", UriKind.Relative));
                Assert.True(gone.IsSuccessStatusCode, $"{gone.StatusCode}");
            }

            return;
        }

        using var functions = Process.GetProcessById(sandbox.RelayId);
        functions.Kill();
        await functions.WaitForExitAsync();
    }

    private static Task WorkersAsync(UserWorld world, int workers) => UserWorld.UntilAsync(
        async () => (await world.ListAsync("api/v1", "pods")).Count(p => p.Text("metadata", "labels", "role") == "jindofs-worker") == workers, () => $"there are not {workers} workers");

    private static Task ChangeAsync(UserWorld world, string prewarm) =>
        world.PatchAsync(world.ModelPath("sleeper"), new JsonObject { ["spec"] = new JsonObject { ["prewarm"] = JsonNode.Parse(prewarm) } }.ToJsonString());
}
