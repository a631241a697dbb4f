using System.Net;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Events are hints: many, late, doubled or in any order, they end at the same objects, and a look that finds nothing new writes nothing.</summary>
public sealed class SecondLookTests(SharedSandbox shared)
{
    [Fact(Explicit = true)]
    public async Task EventsAgainAndASweep_WithEverythingServing_WriteNothing()
    {
        var world = await shared.WorldAsync("second-look");
        await world.ModelAsync("calm", "m");
        using var watch = new MadeWatch(world, "dataloads");
        await world.UploadAsync(await TrainedModels.FolderAsync("orchard"), "m/v1");
        await world.ServesAsync("calm", "v1");
        await QuietAsync(world);

        var before = await VersionsAsync(world);
        await Task.WhenAll(Enumerable.Repeat("m/v1/config.json", 20).Select(key => PostAsync(world, key)));

        using (var swept = await EventModesTests.SendAsync(world,
            """{"specversion":"1.0","id":"1","source":"/apis/v1/namespaces/prewarm-system/pingsources/prewarm-sweep","type":"dev.knative.sources.ping","data":{}}""",
            new("application/cloudevents+json"), world.Sandbox.SweepEvents))
        {
            Assert.True(swept.IsSuccessStatusCode, $"{swept.StatusCode}");
        }

        Assert.Equal(before, await VersionsAsync(world));
        Assert.Equal(["v1"], watch.Seen);
    }

    [Fact(Explicit = true)]
    public async Task EventsInAnyOrderAndTwice_DuringAnUpload_MakeOneDataLoad()
    {
        var world = await shared.WorldAsync("shuffled");
        await world.ModelAsync("shuffled", "m");
        using var watch = new MadeWatch(world, "dataloads");
        var folder = await TrainedModels.FolderAsync("archive");
        var keys = new DirectoryInfo(folder).GetFiles().Select(f => $"m/v1/{f.Name}").ToArray();
        new Random(41).Shuffle(keys);
        var upload = world.UploadAsync(folder, "m/v1", f => f.Name.EndsWith(".index.json", StringComparison.Ordinal) ? 0 : f.Name.StartsWith("tokenizer", StringComparison.Ordinal) ? 2 : 1);
        await Task.WhenAll(keys.Concat(keys.Reverse()).Concat(keys).Select(key => PostAsync(world, key)));
        await upload;
        await Task.WhenAll(keys.Select(key => PostAsync(world, key)));
        await world.ServesAsync("shuffled", "v1");
        Assert.Equal(["v1"], watch.Seen);
        TrainedModels.AssertFrom("archive", await world.AskAsync("/v1/models/shuffled:predict", TrainedModels.Prompt));
    }

    private static async Task PostAsync(UserWorld world, string key)
    {
        using var answer = await EventModesTests.SendAsync(world, EventModesTests.Event(world.Bucket, key).ToJsonString(), new("application/cloudevents+json"));
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
    }

    /// <summary>Waits until the model has no predictor and nothing has changed in its namespace for 3 s.</summary>
    private static async Task QuietAsync(UserWorld world)
    {
        var (last, since) = ("", TimeProvider.System.GetTimestamp());
        await UserWorld.UntilAsync(async () =>
        {
            var now = string.Join('\n', await VersionsAsync(world));
            if (now != last)
            {
                (last, since) = (now, TimeProvider.System.GetTimestamp());
            }

            return !now.Contains("pods/calm-predictor", StringComparison.Ordinal) && TimeProvider.System.GetElapsedTime(since) > TimeSpan.FromSeconds(3);
        }, () => $"it does not get quiet: {last}");
    }

    /// <summary>kind/name and resourceVersion of all in the namespace, the model and the Events about it included.</summary>
    private static async Task<List<string>> VersionsAsync(UserWorld world)
    {
        var all = new List<string>();
        foreach (var (group, plural) in UserWorld.Made.Concat([("apis/prewarm.dev/v1alpha1", "cachedmodels"), ("api/v1", "events"), ("api/v1", "secrets")]))
        {
            all.AddRange((await world.ListAsync(group, plural)).Select(o => $"{plural}/{o.Name()} {o.Text("metadata", "resourceVersion")}"));
        }

        return all;
    }
}
