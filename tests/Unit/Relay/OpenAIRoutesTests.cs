using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class OpenAIRoutesTests
{
    private const string Completions = "/openai/v1/chat/completions";

    [Theory]
    [InlineData(10, 0, false)]
    [InlineData(10, 0, true)]
    [InlineData(5_000, 0, false)]
    [InlineData(100_000, 0, true)]
    [InlineData(3_000_000, 0, true)]
    [InlineData(3_000_000, 3_000_000, false)]
    [InlineData(900_000, 3_000_000, false)]
    [InlineData(900_000, 3_000_000, true)]
    public async Task Body_ModelBeforeOrBehindALongText_ArrivesUnchanged(int before, int after, bool chunked)
    {
        await using var world = await RoutesWorld.StartAsync();
        // Where what comes before is too long to look past, the model stands first.
        var first = before < ModelInBody.Limit ? $"\"prompt\":\"{new string('p', before)}\",\"model\":\"bloom\"" : $"\"model\":\"bloom\",\"prompt\":\"{new string('p', before)}\"";
        var body = Encoding.UTF8.GetBytes($"{{{first},\"tail\":\"{new string('t', after)}\"}}");
        using HttpContent content = chunked ? new StreamContent(new Trickle(body)) : new ByteArrayContent(body);
        using var answer = await world.PostAsync(Completions, content);
        Assert.Equal($"bloom.default.example.com {Completions} {RoutesWorld.Digest(body)}", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Body_RestOfIt_IsNotWaitedFor()
    {
        await using var world = await RoutesWorld.StartAsync();
        var seen = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Answer = async context =>
        {
            var start = new byte[20];
            await context.Request.Body.ReadExactlyAsync(start);
            seen.SetResult(Encoding.ASCII.GetString(start));
            await context.Request.Body.CopyToAsync(Stream.Null);
        };
        using var client = await RoutesWorld.ConnectAsync(world.Relay);
        await client.SendAsync(Encoding.ASCII.GetBytes($"POST {Completions} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n{{\"model\":\"bloom\",\"a\":\"{new string('a', 100_000)}"));
        Assert.Equal("{\"model\":\"bloom\",\"a\":\""[..20], await seen.Task.WaitAsync(RoutesWorld.Limit));
    }

    [Fact]
    public async Task Body_NameInThreeParts_IsPutTogether()
    {
        await using var world = await RoutesWorld.StartAsync();
        using var client = await RoutesWorld.ConnectAsync(world.Relay);
        const string body = "{\"model\":\"bloom\"}";
        await client.SendAsync(Encoding.ASCII.GetBytes($"POST {Completions} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {body.Length}\r\n\r\n"));
        foreach (var part in (string[])[body[..5], body[5..13], body[13..]])
        {
            // Parts that are one segment on the way make this test easier to pass, never harder.
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            await client.SendAsync(Encoding.ASCII.GetBytes(part));
        }

        using var reader = new StreamReader(new System.Net.Sockets.NetworkStream(client));
        Assert.Contains(RoutesWorld.Digest(Encoding.ASCII.GetBytes(body)), await reader.ReadToEndAsync().WaitAsync(RoutesWorld.Limit), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"model\":\"nobody\"}", 404, "model_not_found", "bloom")]
    [InlineData("{\"prompt\":\"x\"}", 400, "no_model", "no \\u0022model\\u0022")]
    [InlineData("{\"model\":7}", 400, "no_model", "not a string")]
    [InlineData("hello", 400, "no_model", "no JSON")]
    [InlineData("", 400, "no_model", "no JSON")]
    public async Task Body_NoModelOfOurs_IsToldInOpenAIsShape(string body, int status, string code, string said)
    {
        await using var world = await RoutesWorld.StartAsync();
        using var answer = await world.PostAsync(Completions, new StringContent(body));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal(status, (int)answer.StatusCode);
        var error = JsonNode.Parse(text)!["error"]!;
        Assert.Equal((code, "invalid_request_error", "model"), ((string?)error["code"], (string?)error["type"], (string?)error["param"]));
        Assert.Contains(said, text, StringComparison.Ordinal);
        Assert.Equal(0, world.Asked);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_ModelBeyondTheFirstMiB_Is400ThatSaysSo(bool chunked)
    {
        await using var world = await RoutesWorld.StartAsync();
        var body = Encoding.UTF8.GetBytes($"{{\"prompt\":\"{new string('p', ModelInBody.Limit)}\",\"model\":\"bloom\"}}");
        using HttpContent content = chunked ? new StreamContent(new Trickle(body)) : new ByteArrayContent(body);
        using var answer = await world.PostAsync(Completions, content);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains($"first {ModelInBody.Limit} bytes", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(0, world.Asked);
    }

    [Fact]
    public async Task Body_ModelEndsAtTheLastByteOfTheMiB_IsFound()
    {
        await using var world = await RoutesWorld.StartAsync();
        const string member = "\",\"model\":\"bloom\"";
        var body = Encoding.UTF8.GetBytes("{\"prompt\":\"" + new string('p', ModelInBody.Limit - 11 - member.Length) + member + ",\"tail\":\"" + new string('t', 100_000) + "\"}");
        using var answer = await world.PostAsync(Completions, new ByteArrayContent(body));
        Assert.Contains(RoutesWorld.Digest(body), await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_Compressed_Is400ThatNamesTheOtherWay()
    {
        await using var world = await RoutesWorld.StartAsync();
        var content = new ByteArrayContent([0x1f, 0x8b]);
        content.Headers.ContentEncoding.Add("gzip");
        using var answer = await world.PostAsync(Completions, content);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("/models/NAMESPACE/NAME/openai", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_NeedsNoModelInTheBody()
    {
        await using var world = await RoutesWorld.StartAsync(RelayRouterTests.Model("a", "bloom"), RelayRouterTests.Model("b", "bloom", url: "http://other.b.example.com"));
        using var answer = await world.PostAsync("/models/b/bloom" + Completions, new StringContent("not JSON at all"));
        Assert.StartsWith($"other.b.example.com {Completions} ", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var ambiguous = await world.PostAsync(Completions, new StringContent("{\"model\":\"bloom\"}"));
        Assert.Equal(HttpStatusCode.BadRequest, ambiguous.StatusCode);
        var error = JsonNode.Parse(await ambiguous.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal(["/models/a/bloom/", "/models/b/bloom/"], error["candidates"]!.AsArray().Select(c => (string?)c));
        Assert.Contains("/models/b/bloom/", (string?)error["message"], StringComparison.Ordinal);
        using var named = await world.PostAsync(Completions, new StringContent("{\"model\":\"b/bloom\"}"));
        Assert.StartsWith("other.b.example.com ", await named.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lists_AreInTheirProtocolsShapes()
    {
        var model = RelayRouterTests.Model("default", "bloom");
        model.Metadata.CreationTimestamp = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
        await using var world = await RoutesWorld.StartAsync(model);
        const string card = """{"id":"bloom","object":"model","created":1700000000,"owned_by":"default"}""";
        Assert.Equal($$"""{"object":"list","data":[{{card}}]}""", await world.Http.GetStringAsync(new Uri(world.Relay, "/openai/v1/models")));
        Assert.Equal(card, await world.Http.GetStringAsync(new Uri(world.Relay, "/openai/v1/models/bloom")));
        Assert.Equal("""{"models":["bloom"]}""", await world.Http.GetStringAsync(new Uri(world.Relay, "/v1/models")));
        Assert.Equal("""{"live":true}""", await world.Http.GetStringAsync(new Uri(world.Relay, "/v2/health/live")));
        Assert.Equal("""{"ready":true}""", await world.Http.GetStringAsync(new Uri(world.Relay, "/v2/health/ready")));
        Assert.Contains("\"name\":\"prewarm\"", await world.Http.GetStringAsync(new Uri(world.Relay, "/v2")), StringComparison.Ordinal);
        Assert.Equal(0, world.Asked);
    }

    /// <summary>A body that comes in pieces, whose length nobody knows.</summary>
    private sealed class Trickle(byte[] body) : MemoryStream(body)
    {
        public override bool CanSeek => false;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, 1500)], cancellationToken);
    }
}
