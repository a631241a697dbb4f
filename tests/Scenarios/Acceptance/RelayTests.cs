using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Predictions by name and by address, and the answers to what nobody serves.</summary>
public sealed class RelayTests(SharedSandbox shared)
{
    [Fact(Explicit = true)]
    public async Task TwoModelsOfOneName_NeedTheirAddress_AndUnknownOnesAreToldTheKnown()
    {
        var (one, two) = (await shared.WorldAsync("relay-one"), await shared.WorldAsync("relay-two"));
        foreach (var (world, text) in new[] { (one, "orchard"), (two, "archive") })
        {
            await world.ModelAsync("twin-model", "models", m => m["spec"]!["serving"]!["modelName"] = "twin");
            await world.UploadAsync(await TrainedModels.FolderAsync(text), "models/v1");
        }

        await one.ServesAsync("twin-model", "v1");
        await two.ServesAsync("twin-model", "v1");

        var ambiguous = await one.AskAsync("/v1/models/twin:predict", TrainedModels.Prompt);
        Assert.Equal(400, ambiguous.Status);
        Assert.Equal(["/models/relay-one/twin-model/", "/models/relay-two/twin-model/"], (JsonNode.Parse(ambiguous.Text)!["candidates"] as JsonArray)!.Select(c => (string?)c));
        TrainedModels.AssertFrom("orchard", await one.AskAsync("/models/relay-one/twin-model/v1/models/twin:predict", TrainedModels.Prompt));
        TrainedModels.AssertFrom("archive", await two.AskAsync("/models/relay-two/twin-model/v1/models/twin:predict", TrainedModels.Prompt));

        var unknown = await one.AskAsync("/v1/models/nobody:predict", TrainedModels.Prompt);
        Assert.Equal(404, unknown.Status);
        Assert.Contains("twin", (JsonNode.Parse(unknown.Text)!["models"] as JsonArray)!.Select(c => (string?)c));
        var list = JsonNode.Parse(await one.Sandbox.Relay.GetStringAsync(new Uri("/v1/models", UriKind.Relative)));
        Assert.Contains("twin", (list!["models"] as JsonArray)!.Select(c => (string?)c));
        Assert.Contains("\"ready\"", await one.Sandbox.Relay.GetStringAsync(new Uri("/models/relay-one/twin-model/v1/models/twin", UriKind.Relative)), StringComparison.Ordinal);

        // The longest answer that the model gives, and a question far larger than an event may be.
        var longest = await one.AskAsync("/models/relay-one/twin-model/v1/models/twin:predict", TrainedModels.Prompt, 4096);
        TrainedModels.AssertFrom("orchard", longest);
        Assert.True(longest.Text.Length > 10_000, $"{longest.Text.Length} characters");
        var large = await one.AskAsync("/models/relay-one/twin-model/v1/models/twin:predict", string.Concat(Enumerable.Repeat("keeper ", 300_000)) + TrainedModels.Prompt, 5);
        Assert.Equal(200, large.Status);
        Assert.True(large.Text.Length > 2_000_000, $"{large.Text.Length} characters");

        // What the model refuses is the model's answer, not the relay's.
        var refused = await one.AskAsync("/models/relay-one/twin-model/v1/models/twin:predict", TrainedModels.Prompt, 100_000);
        Assert.Equal(400, refused.Status);
        Assert.Contains("result_length", refused.Text, StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public async Task ModelThatDoesNotServeYet_Says503WithWhatItWaitsFor()
    {
        var world = await shared.WorldAsync("relay-waits");
        await world.ModelAsync("later", "later");
        await world.UntilAsync("later", m => m.Text("status", "phase") == "Waiting", "it does not wait");
        var answer = await world.AskAsync("/v1/models/later:predict", TrainedModels.Prompt);
        Assert.Equal(503, answer.Status);
        Assert.Equal("waiting for an upload", JsonNode.Parse(answer.Text).Text("message"));
    }
}
