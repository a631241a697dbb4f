using System.Net;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Scale;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What a client that hears something while it waits gets in the end.</summary>
public sealed class HeartbeatTests
{
    private static readonly (string Name, string Value)[] s_heard = [("Accept", "text/event-stream"), ("X-Prewarm-Heartbeat", "1")];

    [Theory]
    [InlineData(400)]
    [InlineData(503)]
    public async Task Heard_ThenNotReady_ThePredictionFollows(int status)
    {
        await using var world = await RelayWorld.StartAsync();
        var up = Held(world);
        world.Predict = (context, _) =>
        {
            (context.Response.StatusCode, context.Response.ContentType) = world.Predictions.Count == 1 ? (status, "application/json") : (200, "text/event-stream");
            return context.Response.WriteAsync(world.Predictions.Count == 1 ? """{"error":"Model with name bloom is not ready."}""" : "data: one\n\n");
        };
        Assert.EndsWith("data: one\n\n", await TextAsync(world, up), StringComparison.Ordinal);
        Assert.Equal(2, world.Predictions.Count);
    }

    [Fact]
    public async Task Request_OfOneThatHears_AsksForNoCompression_OthersDo()
    {
        await using var world = await RelayWorld.StartAsync();
        List<string> asked = [];
        world.Predict = (context, _) =>
        {
            asked.Add(context.Request.Headers.AcceptEncoding.ToString());
            return Task.CompletedTask;
        };
        await BodyAsync(world.AskAsync("{}", default, [.. s_heard, ("Accept-Encoding", "gzip")]));
        await BodyAsync(world.AskAsync("{}", default, ("Accept-Encoding", "gzip")));
        Assert.Equal(["", "gzip"], asked);
    }

    [Theory]
    [InlineData(1 << 20, true)]
    [InlineData((1 << 20) + 1, false)]
    public async Task Answer_LongerThanAnEvent_EndsWithAnErrorThatSaysWhatToDo(int length, bool fits)
    {
        await using var world = await RelayWorld.StartAsync();
        var up = Held(world);
        world.Predict = (context, _) => context.Response.WriteAsync(new string('x', length));
        var text = await TextAsync(world, up);
        Assert.Equal(fits, text.Contains($"data: {new string('x', 1 << 20)}\n\n", StringComparison.Ordinal));
        Assert.Equal(!fits, text.Contains("event: error\nid: 406\ndata: {\"error\":", StringComparison.Ordinal) && text.Contains("without X-Prewarm-Heartbeat", StringComparison.Ordinal) && text.Length < 5000);
    }

    /// <summary>A model at zero; it is ready when the test says so.</summary>
    private static TaskCompletionSource Held(RelayWorld world)
    {
        var up = new TaskCompletionSource();
        world.Scale.Set(ScaleLevel.Zero);
        world.Ready = _ => up.Task;
        return up;
    }

    /// <summary>What is heard from the first comment to the end.</summary>
    private static async Task<string> TextAsync(RelayWorld world, TaskCompletionSource up)
    {
        using var answer = await world.AskAsync("{}", default, s_heard).WaitAsync(Limit);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.StartsWith(": waiting", await reader.ReadLineAsync().WaitAsync(Limit), StringComparison.Ordinal);
        up.SetResult();
        return await reader.ReadToEndAsync().WaitAsync(Limit);
    }
}
