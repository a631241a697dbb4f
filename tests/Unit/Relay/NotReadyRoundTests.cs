using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What a "not ready" of a model that is up costs, and what is learned from it.</summary>
public sealed class NotReadyRoundTests
{
    [Fact]
    public async Task Require_ColdCacheOfAModelThatIsUp_IsNotWaitedFor()
    {
        await using var world = new RelayWorld();
        var gateway = await world.ServeAsync(_ => { }, world.GatewayAsync);
        var model = RelayRouterTests.Model("default", "bloom");
        model.Spec!.Cache = new() { Locality = "require", LocalityTimeoutSeconds = 60 };
        await world.RelayAsync(gateway.Urls.First(), model);
        world.Scale.Set(ScaleLevel.Up, 1, Locality.Cold);
        NotReadyOnce(world);
        Assert.Equal("body", await BodyAsync(world.AskAsync("body", default, ("Request-Timeout", "10"))));
        Assert.Equal((1, 2), (world.Wakes, world.Predictions.Count));
    }

    [Fact]
    public async Task OnePodOfSeveral_IsPausedFor_AndNobodyElseWaits()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Up, 2);
        NotReadyOnce(world);
        using var answer = await world.AskAsync("body").WaitAsync(Limit);
        Assert.Equal("body", await BodyAsync(Task.FromResult(answer)));
        Assert.Equal((0, 2, false), (world.Wakes, world.Predictions.Count, answer.Headers.Contains("X-Cold-Start")));
    }

    [Fact]
    public async Task TimeOfARound_IsNoColdStart()
    {
        await using var world = await RelayWorld.StartAsync(("K_SINK", "http://127.0.0.1:9"));
        world.Scale.Set(ScaleLevel.Up, 1);
        NotReadyOnce(world);
        world.Ready = _ => Task.Delay(TimeSpan.FromSeconds(0.8), TimeProvider.System);
        await BodyAsync(world.AskAsync());
        Assert.Empty(world.Services.GetRequiredService<TrafficBook>().TakeCold());
        // One that has less time than that is not turned away.
        world.Ready = _ => Task.CompletedTask;
        world.Scale.Set(ScaleLevel.Zero);
        await BodyAsync(world.AskAsync("{}", default, ("Request-Timeout", "0.7")));
        Assert.Equal(2, world.Wakes);
    }

    [Fact]
    public async Task ColdStart_TellsWhereTheBytesWereWhenTheWakeWasSent()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero, locality: Locality.Cold);
        world.Ready = _ =>
        {
            // The start itself has filled the cache.
            world.Scale.Set(ScaleLevel.Up, 1, Locality.Local);
            return Task.CompletedTask;
        };
        NotReadyOnce(world);
        using var answer = await world.AskAsync().WaitAsync(Limit);
        Assert.EndsWith(";cache=cold", Assert.Single(answer.Headers.GetValues("X-Cold-Start")), StringComparison.Ordinal);
        Assert.Equal(2, world.Wakes);
    }

    private static void NotReadyOnce(RelayWorld world) => world.Predict = (context, body) =>
    {
        context.Response.StatusCode = world.Predictions.Count == 1 ? 400 : 200;
        return context.Response.WriteAsync(world.Predictions.Count == 1 ? """{"error":"Model with name bloom is not ready."}""" : body);
    };
}
