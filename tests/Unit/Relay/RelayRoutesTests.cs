using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What goes over the wire, on both sides of the relay.</summary>
public sealed class RelayRoutesTests
{
    [Theory]
    [InlineData("/v1/models/bloom:predict?q=%2e%2e&x=a+b%20c#", null)]
    [InlineData("/v1/models/bloom:predict?q=%2e%2e&x=a+b%20c", "/v1/models/bloom:predict?q=%2e%2e&x=a+b%20c")]
    [InlineData("/v1/models/bl%6fom:predict", "/v1/models/bl%6fom:predict")]
    [InlineData("/v2/models/bloom/versions/a%20b%3a;c=1/infer", "/v2/models/bloom/versions/a%20b%3a;c=1/infer")]
    [InlineData("http://else.where/v1/models/bloom:predict?x", "/v1/models/bloom:predict?x")]
    [InlineData("/models/default/bloom/v2/models/any%7Ename/infer?a=b?c", "/v2/models/any%7Ename/infer?a=b?c")]
    public async Task Path_AsWritten_ReachesTheModelByteForByte(string target, string? reached)
    {
        await using var world = await RoutesWorld.StartAsync();
        var answer = await RoutesWorld.RawAsync(world.Relay, $"POST {target} HTTP/1.1\r\nHost: {(target[0] == '/' ? "opt.default.example.com" : "else.where")}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
        if (reached is null)
        {
            Assert.Equal(0, world.Asked);
        }
        else
        {
            Assert.Contains($"bloom.default.example.com {reached} 2 ", answer, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("POST", "/v1/models/bloom/../opt:predict", 400)]
    [InlineData("POST", "/v1/models/bloom%2f..%2fopt:predict", 400)]
    [InlineData("POST", "/v1//models/bloom:predict", 400)]
    [InlineData("POST", "/V1/models/bloom:predict", 404)]
    [InlineData("DELETE", "/v1/models/bloom:predict", 405)]
    [InlineData("GET", "/v2/models/bloom/infer", 405)]
    [InlineData("POST", "/v2/models/nobody/infer", 404)]
    public async Task Path_NotForAModel_IsAnsweredHere(string method, string target, int status)
    {
        await using var world = await RoutesWorld.StartAsync();
        var answer = await RoutesWorld.RawAsync(world.Relay, $"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Contains("{\"error\":\"", answer, StringComparison.Ordinal);
        Assert.Equal(status == 405, answer.Contains("\r\nAllow: ", StringComparison.Ordinal));
        Assert.Equal(0, world.Asked);
    }

    [Fact]
    public async Task Head_OfAList_HasNoBody()
    {
        await using var world = await RoutesWorld.StartAsync();
        var answer = await RoutesWorld.RawAsync(world.Relay, "HEAD /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", answer, StringComparison.Ordinal);
    }

    /// <summary>The model writes an event only when the client has the one before: it would stand still if anything kept one back.</summary>
    [Theory]
    [InlineData("relay")]
    [InlineData("bare")]
    public async Task Events_EachArrivesBeforeTheNextIsWritten(string proxy)
    {
        await using var world = await RoutesWorld.StartAsync();
        using var arrived = new SemaphoreSlim(0);
        world.Answer = async context =>
        {
            context.Response.ContentType = "text/event-stream";
            for (var i = 0; i < 20; i++)
            {
                await context.Response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"data: {i:00}\n\n"));
                await context.Response.Body.FlushAsync();
                Assert.True(await arrived.WaitAsync(RoutesWorld.Limit));
            }
        };
        using var answer = await world.PostAsync("/v1/models/bloom:predict", new StringContent("{}"), world.Proxy(proxy));
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType?.MediaType);
        await using var stream = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[10];
        for (var i = 0; i < 20; i++)
        {
            await stream.ReadExactlyAsync(buffer).AsTask().WaitAsync(RoutesWorld.Limit);
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"data: {i:00}\n\n"), Encoding.ASCII.GetString(buffer));
            arrived.Release();
        }

        Assert.Equal(0, await stream.ReadAsync(buffer).AsTask().WaitAsync(RoutesWorld.Limit));
    }

    /// <summary>Kestrel sends trailers by HTTP/2 only, so whoever wants the model's asks at the h2c port.</summary>
    [Theory]
    [InlineData("relay", 2)]
    [InlineData("bare", 2)]
    [InlineData("relay", 1)]
    [InlineData("bare", 1)]
    public async Task Trailers_ComeThroughByHttp2(string proxy, int version)
    {
        using var gateway = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        gateway.Start();
        var serving = Task.Run(async () =>
        {
            using var model = await gateway.AcceptSocketAsync();
            var read = await model.ReceiveAsync(new byte[4096]);
            await model.SendAsync("HTTP/1.1 200 OK\r\nTrailer: x-checksum\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ntokens\r\n0\r\nx-checksum: 42\r\n\r\n"u8.ToArray());
            // The connection stays until the client has its answer.
            await model.ReceiveAsync(new byte[1]);
        });
        await using (var world = await RoutesWorld.StartAsync($"http://{gateway.LocalEndpoint}"))
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Proxy(proxy, h2c: version == 2), "/v1/models/bloom:predict"))
            {
                Content = new StringContent("{}"),
                Version = new(version, version % 2),
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            };
            using var answer = await world.Http.SendAsync(request).WaitAsync(RoutesWorld.Limit);
            Assert.Equal("tokens", await answer.Content.ReadAsStringAsync());
            Assert.Equal(version == 2 ? ["42"] : [], answer.TrailingHeaders.Select(h => h.Value.Single()));
        }

        gateway.Stop();
        await serving.WaitAsync(RoutesWorld.Limit).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Theory]
    [InlineData("relay", false)]
    [InlineData("bare", false)]
    [InlineData("relay", true)]
    [InlineData("bare", true)]
    public async Task CallerGone_TheModelIsToldAtOnce(string proxy, bool answering)
    {
        await using var world = await RoutesWorld.StartAsync();
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Answer = async context =>
        {
            using var registration = context.RequestAborted.Register(told.SetResult);
            if (answering)
            {
                await context.Response.WriteAsync("first");
                await context.Response.Body.FlushAsync();
            }

            began.SetResult();
            await told.Task.WaitAsync(RoutesWorld.Limit);
        };
        var client = await RoutesWorld.ConnectAsync(world.Proxy(proxy));
        await client.SendAsync("POST /v1/models/bloom:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"u8.ToArray());
        await began.Task.WaitAsync(RoutesWorld.Limit);
        if (answering)
        {
            Assert.True(await client.ReceiveAsync(new byte[1]) > 0);
        }

        client.Close(0);
        await told.Task.WaitAsync(RoutesWorld.Limit);
    }

    /// <summary>A model that dies in its answer: the client's connection breaks too, so that half an answer is not taken for a whole one.</summary>
    [Theory]
    [InlineData("relay")]
    [InlineData("bare")]
    public async Task AnswerBreaksOff_TheClientsConnectionBreaks(string proxy)
    {
        await using var world = await RoutesWorld.StartAsync();
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Answer = async context =>
        {
            await context.Response.WriteAsync("half");
            await context.Response.Body.FlushAsync();
            await arrived.Task.WaitAsync(RoutesWorld.Limit);
            context.Abort();
        };
        using var answer = await world.PostAsync("/v1/models/bloom:predict", new StringContent("{}"), world.Proxy(proxy));
        arrived.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => answer.Content.ReadAsStringAsync().WaitAsync(RoutesWorld.Limit));
        Assert.Equal(1, world.Asked);
    }

    /// <summary>A client that closes its sending side and listens on: whatever YARP and its server make of it, the relay makes the same.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task HalfClosed_IsAsWithYarpAlone(bool slow)
    {
        await using var world = await RoutesWorld.StartAsync();
        world.Answer = async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null);
            if (slow)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, context.RequestAborted);
            }

            await context.Response.WriteAsync("answer");
        };
        const string request = "POST /v1/models/bloom:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
        var bare = await HalfAsync(world.Bare);
        Assert.Equal(bare, await HalfAsync(world.Relay));

        async Task<string> HalfAsync(Uri proxy)
        {
            var answer = slow ? await RoutesWorld.RawAsync(proxy, request, halfClose: true) : await RoutesWorld.RawAsync(proxy, request);
            return !answer.StartsWith("HTTP/", StringComparison.Ordinal) ? answer : answer.Split(' ')[1] + (answer.EndsWith("answer", StringComparison.Ordinal) || answer.Contains("\r\nanswer\r\n", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Predictions_ManyAtATimeForManyModels_ReachTheirOwn()
    {
        await using var world = await RoutesWorld.StartAsync([.. Enumerable.Range(0, 20).Select(i => RelayRouterTests.Model("default", $"m{i}", url: $"http://m{i}.default.example.com"))]);
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            var (name, openAI) = ($"m{i % 20}", i % 2 == 0);
            using var answer = await world.PostAsync(openAI ? "/openai/v1/completions" : $"/v1/models/{name}:predict", new StringContent($"{{\"model\":\"{name}\"}}"));
            return (name, text: answer.StatusCode == HttpStatusCode.OK ? await answer.Content.ReadAsStringAsync() : answer.StatusCode.ToString());
        }));
        Assert.All(answers, a => Assert.StartsWith($"{a.name}.default.example.com ", a.text, StringComparison.Ordinal));
    }
}
