using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Requests for a model at zero, through the whole system: held, woken once, told why not.</summary>
public sealed partial class ColdStartTests
{
    private const string Path = "/v1/models/sleeper:predict";

    [Fact(Explicit = true)]
    public async Task ManyAtZero_OneWake_AndAfterAKillOfTheRelayTheyAreServedWhenTheyComeAgain()
    {
        await using var sandbox = await SandboxUp.StartAsync(["cold-many"], "--scale-to-zero", "3", "--pod-start", "2", "--remote-mbps", "400");
        var world = await ServeAsync(sandbox, "cold-many");
        await AtZeroAsync(world);
        var before = await WakesAsync(sandbox);
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => AskAsync(sandbox)));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        Assert.Contains(answers, a => a.ColdStart?.StartsWith("held;dur=", StringComparison.Ordinal) == true);
        Assert.Equal(before + 1, await WakesAsync(sandbox));

        // Held when the relay is killed: each caller sees its connection break, comes again, and is served by the next one.
        await AtZeroAsync(world);
        var held = Enumerable.Range(0, 20).Select(async _ =>
        {
            var tries = 0;
            while (true)
            {
                tries++;
                try
                {
                    var answer = await AskAsync(sandbox);
                    if (answer.Status == HttpStatusCode.OK)
                    {
                        return tries;
                    }

                    // Where the relay is deployed, 502 is the word of its queue-proxy that it is gone.
                    Assert.True(answer.Status is HttpStatusCode.ServiceUnavailable or HttpStatusCode.BadGateway, $"the answer is {answer.Status}");
                }
                catch (HttpRequestException)
                {
                    // The relay is gone.
                }

                Assert.True(tries < 200, "it is never served");
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
            }
        }).ToList();
        await UserWorld.UntilAsync(async () => await MetricAsync(sandbox, "prewarm_relay_held") == 20, () => "they are not held");
        using (var relay = Process.GetProcessById(sandbox.RelayId))
        {
            relay.Kill();
        }

        Assert.All(await Task.WhenAll(held).WaitAsync(UserWorld.Limit), tries => Assert.True(tries > 1, "it was not held by the one that was killed"));
    }

    [Fact(Explicit = true)]
    public async Task ColdCache_UnderRequire_IsLoadedBeforeAnythingIsWoken()
    {
        await using var sandbox = await SandboxUp.StartAsync(["cold-require"], "--scale-to-zero", "3", "--pod-start", "0.5", "--remote-mbps", "40");
        var world = await ServeAsync(sandbox, "cold-require", m => m["spec"]!["cache"] = new JsonObject { ["locality"] = "require", ["localityTimeoutSeconds"] = 60 });
        await AtZeroAsync(world);
        foreach (var folder in Directory.EnumerateDirectories(sandbox.Folder, "cache", SearchOption.AllDirectories).SelectMany(Directory.EnumerateDirectories).ToList())
        {
            Directory.Delete(folder, recursive: true);
        }

        await world.UntilAsync("sleeper", m => m.Text("status", "locality", "verdict") is "Cold" or "Partial", "the status does not say that the cache is gone");
        var asked = AskAsync(sandbox);
        await UserWorld.UntilAsync(async () => (await LoadsAsync(world)).Any(l => l.Name().EndsWith("-wake", StringComparison.Ordinal)), () => "no load was asked for");
        while (true)
        {
            // Pods first: what is there before a load is seen to run was there without it.
            var predictors = await PredictorsAsync(world);
            if (asked.IsCompleted || (await LoadsAsync(world)).All(l => !l.Name().EndsWith("-wake", StringComparison.Ordinal) || l.Text("status", "phase") is "Complete" or "Failed"))
            {
                break;
            }

            Assert.Empty(predictors);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        var answer = await asked.WaitAsync(UserWorld.Limit);
        Assert.Equal((HttpStatusCode.OK, true), (answer.Status, answer.ColdStart is not null && Near().IsMatch(answer.ColdStart)));
    }

    [Fact(Explicit = true)]
    public async Task Sigterm_TellsWhoeverWaits_FinishesWhatRuns_AndIsUnreadyFirst()
    {
        await using var sandbox = await SandboxUp.StartAsync(["cold-term"], "--scale-to-zero", "3", "--pod-start", "4", "--remote-mbps", "400");
        var world = await ServeAsync(sandbox, "cold-term");
        await AtZeroAsync(world);
        var held = Enumerable.Range(0, 10).Select(_ => AskAsync(sandbox)).ToList();
        await UserWorld.UntilAsync(async () => await MetricAsync(sandbox, "prewarm_relay_held") == 10, () => "they are not held");
        using (var kill = Process.Start("kill", ["-TERM", sandbox.RelayId.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync();
        }

        // The signal is on its way when kill returns; until the process has it, it is ready.
        await UserWorld.UntilAsync(async () =>
        {
            try
            {
                using var ready = await sandbox.Relay.GetAsync(new Uri("/readyz", UriKind.Relative));
                return ready.StatusCode == HttpStatusCode.ServiceUnavailable;
            }
            catch (HttpRequestException)
            {
                // It was quicker: no connection is as unready as it gets.
                return true;
            }
        }, () => "it still says that it is ready");
        Assert.All(await Task.WhenAll(held).WaitAsync(UserWorld.Limit), a => Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (a.Status, a.RetryAfter > 0)));
        await UserWorld.UntilAsync(async () =>
        {
            try
            {
                return (await AskAsync(sandbox)).Status == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, () => "the next relay does not serve");
    }

    internal static async Task<UserWorld> ServeAsync(SandboxUp sandbox, string ns, Action<JsonObject>? change = null)
    {
        var world = new UserWorld(sandbox, ns, $"b-{ns}");
        await world.PrepareAsync();
        await world.ModelAsync("sleeper", "models", m =>
        {
            m["spec"]!["serving"]!["predictor"]!["minReplicas"] = 0;
            change?.Invoke(m);
        });
        await world.UploadAsync(await TrainedModels.FolderAsync("orchard"), "models/v1");
        await world.ServesAsync("sleeper", "v1");
        return world;
    }

    /// <summary>Waits until the autoscaler says so: that is what the relay hears.</summary>
    internal static Task AtZeroAsync(UserWorld world) => UserWorld.UntilAsync(
        async () => (await world.ListAsync(ActivationTests.Autoscalers, "podautoscalers")).All(a => a.At("status", "conditions").Objects().Any(c => c.Text("type") == "Active" && c.Text("reason") == "NoTraffic"))
            && (await PredictorsAsync(world)).Count == 0,
        () => "it does not scale to zero");

    /// <summary>Until the autoscaler says so, and the relay, which is told by a watch of its own, has had time to hear it.</summary>
    internal static async Task UpAsync(UserWorld world)
    {
        await UserWorld.UntilAsync(
            async () => (await world.ListAsync(ActivationTests.Autoscalers, "podautoscalers")).Any(a => a.At("status", "conditions").Objects().Any(c => c.Text("type") == "Active" && c.Text("status") == "True")),
            () => "it is not up");
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
    }

    internal static async Task<double> MetricAsync(SandboxUp sandbox, string name, Uri? at = null) =>
        (await sandbox.Relay.GetStringAsync(at ?? new Uri("/metrics", UriKind.Relative))).Split('\n')
            .Where(l => l.StartsWith(name + "{", StringComparison.Ordinal) || l.StartsWith(name + " ", StringComparison.Ordinal))
            .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));

    internal static async Task<List<JsonObject>> PredictorsAsync(UserWorld world) =>
        [.. (await world.ListAsync("api/v1", "pods")).Where(p => p.Text("metadata", "labels", "serving.knative.dev/revision") is not null)];

    private static Task<List<JsonObject>> LoadsAsync(UserWorld world) => world.ListAsync("apis/data.fluid.io/v1alpha1", "dataloads");

    private static Task<double> WakesAsync(SandboxUp sandbox) => MetricAsync(sandbox, "prewarm_relay_wakes_total");

    internal static async Task<(HttpStatusCode Status, string? ColdStart, int RetryAfter)> AskAsync(SandboxUp sandbox)
    {
        using var content = new StringContent(new JsonObject { ["prompt"] = TrainedModels.Prompt, ["result_length"] = 20 }.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await sandbox.Relay.PostAsync(new Uri(Path, UriKind.Relative), content);
        if (answer.StatusCode == HttpStatusCode.OK)
        {
            TrainedModels.AssertFrom("orchard", (200, JsonNode.Parse(await answer.Content.ReadAsStringAsync()).Text("result")!));
        }

        return (answer.StatusCode, answer.Headers.TryGetValues("X-Cold-Start", out var cold) ? cold.Single() : null, (int)(answer.Headers.RetryAfter?.Delta?.TotalSeconds ?? 0));
    }

    [GeneratedRegex("cache=(local|spread)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Near();
}
