using System.Net;
using System.Text;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>A model that is deleted while requests wait for it.</summary>
public sealed class DeletedModelTests
{
    [Theory]
    [InlineData("prefer")]
    [InlineData("require")]
    public async Task Deleted_WhileRequestsAreHeld_EachIsToldAtOnce_AndTheWakeEnds(string policy)
    {
        await using var world = new RelayWorld();
        var gateway = await world.ServeAsync(_ => { }, world.GatewayAsync);
        var model = RelayRouterTests.Model("default", "bloom");
        model.Spec!.Cache = new() { Locality = policy, LocalityTimeoutSeconds = 60 };
        await world.RelayAsync(gateway.Urls.First(), model);
        world.Scale.Set(ScaleLevel.Zero, locality: Locality.Cold);
        var ended = new TaskCompletionSource();
        world.Ready = async context =>
        {
            context.RequestAborted.Register(ended.SetResult);
            await Task.Delay(Limit, TimeProvider.System, context.RequestAborted);
        };
        var held = Enumerable.Range(0, 4).Select(_ => world.AskAsync()).ToList();
        using var openAI = new StringContent("""{"model":"bloom"}""", Encoding.UTF8, "application/json");
        var chat = world.Http.PostAsync("/openai/v1/chat/completions", openAI);
        await UntilAsync(() => world.Holds.Totals.Count == 5 && world.Wakes == (policy == "require" ? 0 : 1));
        // A catalog that is read anew, and in which another model is gone, changes nothing.
        var hold = world.Holds.Of(new("default", "bloom"));
        world.Catalog.Set(model, RelayRouterTests.Model("default", "opt"));
        world.Catalog.Set(model);
        Assert.Equal(5, world.Holds.Totals.Count);
        world.Catalog.Set(RelayRouterTests.Model("default", "opt"));
        foreach (var one in held)
        {
            var text = await BodyAsync(one, HttpStatusCode.NotFound);
            Assert.Contains("there is no model default/bloom", text, StringComparison.Ordinal);
            Assert.Contains("deleted while this request waited", text, StringComparison.Ordinal);
            Assert.Contains("\"models\":[\"default/opt\"]", text, StringComparison.Ordinal);
        }

        Assert.Contains("model_not_found", await BodyAsync(chat, HttpStatusCode.NotFound), StringComparison.Ordinal);
        if (policy == "prefer")
        {
            await ended.Task.WaitAsync(Limit);
        }

        // Nothing of it is left.
        await UntilAsync(() => !ReferenceEquals(hold, world.Holds.Of(new("default", "bloom"))));
        Assert.Equal((0, 0), (world.Holds.Totals.Count, world.Predictions.Count));
    }
}
