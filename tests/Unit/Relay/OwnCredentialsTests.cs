using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Scale;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>A mesh that lets nobody to a model without the caller's own credentials, of which the relay has none.</summary>
public sealed class OwnCredentialsTests
{
    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    public async Task Held_GoesOnWithItsOwnCredentials_AndNothingIsLearned(int status)
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        var slow = TimeSpan.FromSeconds(0.3);
        world.Ready = async context =>
        {
            await Task.Delay(slow, TimeProvider.System);
            context.Response.StatusCode = status;
        };
        world.Predict = (context, body) =>
        {
            context.Response.StatusCode = context.Request.Headers.Authorization == "Bearer mine" ? 200 : status;
            return context.Response.WriteAsync(body);
        };
        Assert.Equal("held", await BodyAsync(world.AskAsync("held", default, ("Authorization", "Bearer mine"), ("Request-Timeout", "5"))));
        Assert.Equal((3, 1), (world.Wakes, world.Predictions.Count));
        slow = TimeSpan.Zero;
        world.Scale.Set(ScaleLevel.Up, 1);
        world.Scale.Set(ScaleLevel.Zero);
        Assert.Equal("hasty", await BodyAsync(world.AskAsync("hasty", default, ("Authorization", "Bearer mine"), ("Request-Timeout", "0.8"))));
    }

    /// <summary>One path that is there and not ready yet says more than others that are closed.</summary>
    [Fact]
    public async Task OnePathOpen_TheOthersClosed_IsWaitedFor()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        world.Ready = context =>
        {
            context.Response.StatusCode = !context.Request.Path.StartsWithSegments("/v2", StringComparison.Ordinal) ? 403 : world.Wakes < 4 ? 503 : 200;
            return Task.CompletedTask;
        };
        Assert.Equal("{}", await BodyAsync(world.AskAsync()));
        Assert.Equal(4, world.Wakes);
    }
}
