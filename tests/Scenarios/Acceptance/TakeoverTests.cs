using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>How versions follow one another, and how a model ends in the middle of that.</summary>
public sealed class TakeoverTests(SharedSandbox shared)
{
    private const string Predict = "/v1/models/successor:predict";

    [Fact(Explicit = true)]
    public async Task VersionsFollowOneAnother_ARefusedOneIsPassedOver_AndItsCacheIsLetGo()
    {
        var world = await shared.WorldAsync("takeover");
        await world.ModelAsync("successor", "m", m => m["spec"]!["cache"] = new JsonObject { ["keepVersions"] = 1, ["replicas"] = 1 });
        using var watch = new MadeWatch(world, "dataloads");
        await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "m/v1");
        await world.ServesAsync("successor", "v1");
        var first = await world.AskAsync(Predict, TrainedModels.Prompt);
        TrainedModels.AssertFrom("harbour", first);

        // Without golden.jsonl: readiness only, and it says so.
        await world.UploadAsync(await TrainedModels.FolderAsync("orchard"), "m/v2");
        var model = await world.ServesAsync("successor", "v2");
        Assert.Equal("no golden.jsonl: readiness only", model.Version("v2").Text("message"));
        TrainedModels.AssertFrom("orchard", await world.AskAsync(Predict, TrainedModels.Prompt));

        // A shard that does not load, and golden answers of another model, are refused; what serves goes on.
        await world.UploadAsync(await TrainedModels.CorruptAsync("archive"), "m/v3");
        model = await RefusedAsync(world, "v3");
        var refusedSet = model.Version("v3").Text("dataset");
        await world.PutAsync("m/v4/golden.jsonl", TrainedModels.Golden(first.Text));
        await world.UploadAsync(await TrainedModels.FolderAsync("archive"), "m/v4");
        model = await RefusedAsync(world, "v4");
        Assert.Contains("golden", model.Version("v4").Text("message"), StringComparison.Ordinal);
        TrainedModels.AssertFrom("orchard", await world.AskAsync(Predict, TrainedModels.Prompt));
        Assert.Equal("v2 100%", model.Text("status", "traffic"));

        // A good one after them, with golden answers of its own.
        await world.PutAsync("m/v5/golden.jsonl", TrainedModels.Golden(first.Text));
        await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "m/v5");
        model = await world.ServesAsync("successor", "v5");
        Assert.Equal("golden predictions passed", model.Version("v5").Text("message"));
        TrainedModels.AssertFrom("harbour", await world.AskAsync(Predict, TrainedModels.Prompt));

        // keepVersions 1: the served version's cache stays and every other is let go, once the pods that read it are gone. v3's pod Knative lets
        // crash until its progress deadline (600 s): until then Fluid says that its cache is in use.
        var served = model.Version("v5").Text("dataset")!;
        await UserWorld.UntilAsync(async () => (await KeptAsync(world, "datasets")).SequenceEqual([served]) && (await KeptAsync(world, "jindoruntimes")).SequenceEqual([served])
            && (await KeptAsync(world, "dataloads")).Length == 1, async () => $"caches left beside {served}: {string.Join(", ", await world.LeftAsync())}");
        await UserWorld.UntilAsync(async () => (await world.ListAsync("apis/data.fluid.io/v1alpha1", "datasets")).All(d => d.Name() == served || d.Name() == refusedSet),
            async () => $"Datasets beside {served} and {refusedSet}: {string.Join(", ", await world.LeftAsync())}");
        Assert.Equal(["v1", "v2", "v3", "v4", "v5"], watch.Seen.Order(StringComparer.Ordinal));

        await world.DeleteModelAsync("successor");
        await world.GoneAsync("successor");
        await world.NothingLeftAsync();
    }

    [Fact(Explicit = true)]
    public async Task DeletedWhileLoadingAndWhileRollingOut_LeavesNothing_AndServesWhenMadeAgain()
    {
        var world = await shared.WorldAsync("midway");
        await world.UploadAsync(await TrainedModels.FolderAsync("archive"), "m/v1");
        foreach (var (what, there) in new (string, Func<JsonObject, Task<bool>>)[]
        {
            ("while the DataLoad runs", async m => m.Version("v1").Text("dataLoad") is { } load && await world.FluidAsync("dataloads", load) is not null),
            ("in the middle of the rollout", async m => m.Text("status", "phase") == "RollingOut" || await world.ServiceAsync("again") is not null),
        })
        {
            await world.ModelAsync("again", "m");
            await UserWorld.UntilAsync(async () => await world.ModelAsync("again") is { } m && await there(m), async () => $"not {what}: {UserWorld.Describe(await world.ModelAsync("again"))}");
            await world.DeleteModelAsync("again");
            await world.GoneAsync("again");
            await world.NothingLeftAsync();
        }

        await world.ModelAsync("again", "m");
        await world.ServesAsync("again", "v1");
        TrainedModels.AssertFrom("archive", await world.AskAsync("/v1/models/again:predict", TrainedModels.Prompt));
    }

    private static Task<JsonObject> RefusedAsync(UserWorld world, string version) =>
        world.UntilAsync("successor", m => m.Version(version).Text("state") == "Refused", $"{version} is not refused");

    /// <summary>Those that nobody has deleted.</summary>
    private static async Task<string[]> KeptAsync(UserWorld world, string plural) =>
        [.. (await world.ListAsync("apis/data.fluid.io/v1alpha1", plural)).Where(o => !o.Deleting()).Select(o => o.Name())];
}
