using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Scale;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What the ready pods of a model that says how many requests one takes are given while others wait.</summary>
public sealed class HeldPodsTests
{
    [Fact]
    public async Task Ramp_MorePodsGetReady_EachHasItsShare()
    {
        await using var world = await RelayWorld.StartAsync(concurrency: 1);
        world.Scale.Set(ScaleLevel.Zero);
        var go = new TaskCompletionSource();
        world.Predict = async (context, body) =>
        {
            await go.Task;
            await context.Response.WriteAsync(body);
        };
        var answers = Enumerable.Range(0, 5).Select(_ => world.AskAsync()).ToList();
        await UntilAsync(() => world.Holds.Totals.Count == 4 && world.Predictions.Count == 1);
        world.Scale.Set(ScaleLevel.Up, 2);
        await UntilAsync(() => world.Predictions.Count == 2);
        Assert.Equal(3, world.Holds.Totals.Count);
        go.SetResult();
        await Task.WhenAll(answers.Select(a => BodyAsync(a)));
    }
}
