using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>A prediction is sent again only when nothing of it can have reached the model.</summary>
public sealed class ResendTests
{
    private const string QueueFull = "pending request queue full";
    private const string NotReady = """{"error":"Model with name bloom is not ready."}""";

    [Theory]
    [InlineData(504, "upstream request timeout")]
    [InlineData(502, "")]
    [InlineData(503, "upstream connect error or disconnect/reset before headers")]
    [InlineData(503, "")]
    [InlineData(500, """{"error":"CUDA out of memory"}""")]
    [InlineData(400, """{"error":"the body must be json"}""")]
    [InlineData(503, "the model says: pending request queue full")]
    public async Task AnswerOfAModelThatMayHaveBegun_IsPassedOnAsItIs_AndAskedOnce(int status, string text)
    {
        await using var world = await RelayWorld.StartAsync();
        foreach (var level in (ScaleLevel[])[ScaleLevel.Unknown, ScaleLevel.Up, ScaleLevel.Zero])
        {
            world.Predictions.Clear();
            world.Scale.Set(level, level == ScaleLevel.Up ? 1 : 0);
            world.Predict = (context, _) =>
            {
                context.Response.StatusCode = status;
                return context.Response.WriteAsync(text);
            };
            Assert.Equal(text, await BodyAsync(world.AskAsync("body"), (HttpStatusCode)status));
            Assert.Equal(["body"], world.Predictions);
        }
    }

    [Theory]
    [InlineData(ScaleLevel.Unknown)]
    [InlineData(ScaleLevel.Up)]
    [InlineData(ScaleLevel.Zero)]
    internal async Task QueueFull_IsSentAgainWithItsWholeBody(ScaleLevel level)
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(level, 1);
        var body = string.Concat(Enumerable.Range(0, 9000).Select(i => i % 10));
        world.Predict = async (context, given) =>
        {
            context.Response.StatusCode = world.Predictions.Count <= 2 ? 503 : 200;
            await context.Response.WriteAsync(world.Predictions.Count <= 2 ? QueueFull + "\n" : given);
        };
        Assert.Equal(body, await BodyAsync(world.AskAsync(body)));
        Assert.Equal([body, body, body], world.Predictions);
        Assert.Equal(0, world.Services.GetRequiredService<RelaySender>().Kept);
    }

    [Fact]
    public async Task QueueFull_BodyTooLargeToBeKept_IsPassedOnWithRetryAfter()
    {
        await using var world = await RelayWorld.StartAsync(("Relay:ReplayBytes", "1000"));
        world.Predict = (context, _) =>
        {
            context.Response.StatusCode = 503;
            return context.Response.WriteAsync(QueueFull);
        };
        using var answer = await world.AskAsync(new string('x', 1001));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 1), (answer.StatusCode, world.Predictions.Count));
        Assert.True(answer.Headers.Contains("Retry-After"));
        Assert.Equal(QueueFull, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task QueueFull_UntilTheDeadline_Is503WithRetryAfter()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Predict = (context, _) =>
        {
            context.Response.StatusCode = 503;
            return context.Response.WriteAsync(QueueFull);
        };
        using var answer = await world.AskAsync("{}", default, ("Request-Timeout", "1"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (answer.StatusCode, answer.Headers.Contains("Retry-After")));
        Assert.InRange(world.Predictions.Count, 2, 6);
    }

    [Fact]
    public async Task NotReady_GoesBackToItsPlace_AndTheModelIsWokenAgain()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        var asked = 0;
        world.Predict = (context, body) =>
        {
            if (Interlocked.Increment(ref asked) > 3)
            {
                return context.Response.WriteAsync(body);
            }

            context.Response.StatusCode = 400;
            return context.Response.WriteAsync(NotReady);
        };
        var answers = Enumerable.Range(0, 20).Select(i => world.AskAsync($"request {i}")).ToList();
        var bodies = await Task.WhenAll(answers.Select(a => BodyAsync(a)));
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"request {i}"), bodies);
        Assert.Equal(23, world.Predictions.Count);
        Assert.InRange(world.Wakes, 2, 4);
        Assert.Equal(0, world.Holds.Totals.Count);
    }

    [Fact]
    public async Task NotReady_OfAModelThoughtUp_IsHeldToo()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Up, 1);
        world.Predict = (context, body) =>
        {
            context.Response.StatusCode = world.Predictions.Count > 1 ? 200 : 400;
            return context.Response.WriteAsync(world.Predictions.Count > 1 ? body : NotReady);
        };
        using var answer = await world.AskAsync("body");
        Assert.Equal((HttpStatusCode.OK, 2, 1), (answer.StatusCode, world.Predictions.Count, world.Wakes));
        Assert.True(answer.Headers.Contains("X-Cold-Start"));
    }

    [Fact]
    public async Task BrokenAnswer_IsPassedOnBroken_AndAskedOnce()
    {
        await using var world = await RelayWorld.StartAsync();
        foreach (var level in (ScaleLevel[])[ScaleLevel.Up, ScaleLevel.Zero])
        {
            world.Predictions.Clear();
            world.Scale.Set(level, 1);
            var seen = new TaskCompletionSource();
            world.Predict = async (context, _) =>
            {
                context.Response.ContentLength = 1000;
                await context.Response.WriteAsync("the beginning");
                await context.Response.Body.FlushAsync();
                await seen.Task;
                context.Abort();
            };
            using var answer = await world.AskAsync("body").WaitAsync(Limit);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            seen.SetResult();
            await Assert.ThrowsAnyAsync<Exception>(() => answer.Content.ReadAsStringAsync().WaitAsync(Limit));
            Assert.Equal(["body"], world.Predictions);
        }
    }

    [Theory]
    [InlineData("a body")]
    [InlineData("")]
    public async Task ConnectionClosedWithoutAWord_Is502_AndAskedOnce(string body)
    {
        // On a connection that was kept: the handler itself would repeat a request that it believes to be unseen.
        await using var world = new RelayWorld();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var requests = 0;
        var serving = ServeRawAsync(listener, () => Interlocked.Increment(ref requests) != 2);
        await world.RelayAsync($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", RelayRouterTests.Model("default", "bloom"));
        Assert.Equal("ok", await BodyAsync(world.AskAsync(body)));
        await BodyAsync(world.AskAsync(body), HttpStatusCode.BadGateway);
        Assert.Equal(2, Volatile.Read(ref requests));
        listener.Stop();
        await serving.WaitAsync(Limit);
    }

    /// <summary>A gateway that switches protocols though nobody asked: past that answer the connection would be no longer HTTP, and the relay a way to say anything to the mesh.</summary>
    [Fact]
    public async Task SwitchedProtocols_ThatNobodyAskedFor_AreNoTunnel()
    {
        await using var world = new RelayWorld();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeRawAsync(listener, () => true, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nsecret");
        await world.RelayAsync($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", RelayRouterTests.Model("default", "bloom"));
        Assert.DoesNotContain("secret", await BodyAsync(world.AskAsync(), HttpStatusCode.BadGateway), StringComparison.Ordinal);
        listener.Stop();
        await serving.WaitAsync(Limit);
    }

    [Fact]
    public async Task GatewayThatComesBack_IsReachedWithTheRequestThatFoundNone()
    {
        await using var world = new RelayWorld();
        int port;
        using (var probe = new TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            port = ((IPEndPoint)probe.LocalEndpoint).Port;
        }

        await world.RelayAsync($"http://127.0.0.1:{port}", RelayRouterTests.Model("default", "bloom"));
        var asked = world.AskAsync("patient");
        await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
        Assert.False(asked.IsCompleted);
        await world.ServeAsync(b => b.Configuration["urls"] = $"http://127.0.0.1:{port}", world.GatewayAsync);
        Assert.Equal("patient", await BodyAsync(asked));
        Assert.Equal(["patient"], world.Predictions);
    }

    /// <summary>As a gateway behind a wall does: connections come to be, and nothing is ever said on them.</summary>
    [Fact]
    public async Task GatewayThatSwallowsConnections_IsA502ThatSaysSo_Soon()
    {
        await using var world = new RelayWorld();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await world.RelayAsync($"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", RelayRouterTests.Model("default", "bloom"));
        var began = TimeProvider.System.GetTimestamp();
        var text = await BodyAsync(world.AskAsync("body"), HttpStatusCode.BadGateway);
        Assert.Contains("the gateway could not be asked", text, StringComparison.Ordinal);
        Assert.Contains("ConnectTimeout", text, StringComparison.Ordinal);
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 3, 8);
    }

    [Fact]
    public async Task CallersOwnDeadline_EndsAnAnswerThatDoesNotCome()
    {
        await using var world = await RelayWorld.StartAsync();
        var gone = new TaskCompletionSource();
        world.Predict = async (context, _) =>
        {
            context.RequestAborted.Register(() => gone.TrySetResult());
            await Task.Delay(Limit, TimeProvider.System, context.RequestAborted);
        };
        Assert.Contains("deadline of 0.5 s", await BodyAsync(world.AskAsync("{}", default, ("X-Request-Timeout-Ms", "500")), HttpStatusCode.GatewayTimeout), StringComparison.Ordinal);
        await gone.Task.WaitAsync(Limit);
        Assert.Single(world.Predictions);
    }

    /// <summary>HTTP/1.1 by hand: reads a request to its end, and answers it or closes.</summary>
    private static async Task ServeRawAsync(TcpListener listener, Func<bool> answers, string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                var stream = client.GetStream();
                var (buffer, text) = (new byte[8192], "");
                int read;
                while ((read = await stream.ReadAsync(buffer)) > 0)
                {
                    text += Encoding.ASCII.GetString(buffer, 0, read);
                    if (!Whole(text))
                    {
                        continue;
                    }

                    text = "";
                    if (!answers())
                    {
                        break;
                    }

                    await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            // The test is over; the last one says that the listener has stopped between two connections.
        }
    }

    private static bool Whole(string text)
    {
        var head = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (head < 0)
        {
            return false;
        }

        if (text[..head].Contains("chunked", StringComparison.OrdinalIgnoreCase))
        {
            return text.EndsWith("0\r\n\r\n", StringComparison.Ordinal);
        }

        var at = text.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        return at < 0 || text.Length - head - 4 >= int.Parse(text[(at + 16)..text.IndexOf("\r\n", at, StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);
    }
}
