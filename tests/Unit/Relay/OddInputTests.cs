using System.Net;
using System.Text;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>Odd requests at a full catalog, as bytes: each is answered with what is wrong and what to do, or reaches the one model it names and no other.</summary>
public sealed class OddInputTests(OddWorld world) : IClassFixture<OddWorld>
{
    private const string Predict = "POST /v1/models/bloom:predict";
    private const string Chat = "POST /openai/v1/chat/completions";
    private const string Bloom = "<bloom.default.example.com>";

    /// <summary>What | request line and headers (separated by \n) | body | status | parts of the answer.</summary>
    public static TheoryData<string, string, string, int, string[]> Cases()
    {
        var cases = new TheoryData<string, string, string, int, string[]>();
        void Add(string name, string head, string body, int status, params string[] said) => cases.Add(name, head, body, status, said);

        // Names and paths
        Add("served name", Predict, "{}", 200, Bloom);
        Add("escaped letter", "POST /v1/models/bl%6Fom:predict", "{}", 200, Bloom, "/v1/models/bl%6Fom:predict");
        Add("escaped colon", "POST /v1/models/bloom%3Apredict", "{}", 200, Bloom);
        Add("slash at the end", "GET /v2/models/bloom/ready/", "", 200, Bloom);
        Add("unknown", "POST /v2/models/nobody/infer", "{}", 404, "there is no model nobody", "/v1/models");
        Add("unknown, not all of 2,000 names are told", "GET /v1/models/nobody", "", 404, "filler-1", "\\u2026");
        Add("other case", "POST /v1/models/Bloom:predict", "{}", 404, "there is no model Bloom");
        Add("space", "POST /v1/models/bloom%20:predict", "{}", 404, "there is no model bloom ");
        Add("invisible character", "POST /v1/models/bloom%E2%80%8B:predict", "{}", 404, "there is no model");
        Add("overlong slash in UTF-8", "POST /v1/models/default%C0%AFbloom:predict", "{}", 404, "there is no model");
        Add("no name", "POST /v1/models/:predict", "{}", 404, "there is no model");
        Add("very long name", $"GET /v1/models/{new string('a', 7000)}", "", 404, new string('a', 100), "\\u2026");
        Add("ambiguous", "POST /v1/models/shared:predict", "{}", 400, "/models/team-a/shared/", "/models/team-b/shared/");
        Add("ambiguous, by its address", "POST /models/team-b/shared/v1/models/shared:predict", "{}", 200, "<shared.team-b.example.com>");
        Add("not serving", "POST /v1/models/waiting:predict", "{}", 503, "default/waiting does not serve yet", "Warming", "Retry-After: ");
        Add("address without name", "POST /models/team-b", "{}", 404, "there is nothing at /models/team-b", "/models/NAMESPACE/NAME/");
        Add("address without route", "POST /models/default/bloom", "{}", 404, "there is nothing at");
        Add("address in an address", "POST /models/default/bloom/models/default/opt/v1/models/opt:predict", "{}", 404, "there is nothing at");
        Add("empty segment", "POST /v1//models/bloom:predict", "{}", 400, "empty segment", "write the path plainly");
        Add("two slashes first", "POST //v1/models/bloom:predict", "{}", 404);
        Add("dots", "POST /v1/models/opt/../bloom:predict", "{}", 400, "dot segment");
        Add("escaped dots", "POST /v1/models/opt/%2e%2e/bloom:predict", "{}", 400, "dot segment");
        Add("escaped slash", "POST /v1/models/org%2Fmodel:predict", "{}", 400, "%2F");
        Add("escaped NUL", "POST /v1/models/bloom%00:predict", "{}", 400, "");
        Add("escaped percent", "POST /v1/models/bloom%252f:predict", "{}", 400, "%25");
        Add("backslash", "POST /v1/models\\bloom:predict", "{}", 400, "backslash");
        Add("escaped line break", "POST /v1/models/bloom%0d%0aHost:opt:predict", "{}", 400, "%0d");
        Add("number sign in the query", $"{Predict}?a#b", "{}", 400, "number sign");
        Add("absolute form, another host", "POST http://opt.default.example.com/v1/models/bloom:predict", "{}", 400);
        Add("absolute form, its host", "POST http://anybody/v1/models/bloom:predict", "{}", 200, Bloom, " /v1/models/bloom:predict 2 ");
        Add("asterisk", "OPTIONS *", "", 404);

        // Methods
        Add("GET for POST", "GET /v1/models/bloom:predict", "", 405, "Allow: POST", "GET is not for this path, but POST");
        Add("POST for GET", "POST /v1/models/bloom", "{}", 405, "Allow: GET, HEAD");
        Add("DELETE of a list", "DELETE /openai/v1/models", "", 405, "Allow: GET, HEAD");
        Add("PUT of a completion", "PUT /openai/v1/completions", "{}", 405, "Allow: POST", "\"error\":{");
        Add("TRACE", "TRACE /v1/models/bloom:predict", "", 405, "Allow: POST", "TRACE is not for this path, but POST");
        Add("PROPFIND of a list", "PROPFIND /v1/models", "", 405, "Allow: GET, HEAD", "PROPFIND is not for this path, but GET, HEAD");
        Add("CONNECT", "CONNECT opt.default.example.com:80", "", 400);
        Add("CONNECT of a path", "CONNECT /v1/models/bloom:predict", "", 405, "Allow: POST", "CONNECT is not for this path, but POST");
        Add("a method that nobody knows", "BREW /v1/models/bloom:predict", "", 405, "Allow: POST", "BREW is not for this path, but POST");
        Add("a method in small letters", "post /v1/models/bloom:predict", "{}", 200, Bloom);
        Add("a very long method", $"{new string('B', 7000)} /v1/models/bloom:predict", "", 405, "Allow: POST", "\\u2026 is not for this path, but POST");
        Add("HEAD of a model", "HEAD /v1/models/bloom", "", 200);
        Add("HEAD of an unknown model", "HEAD /v1/models/nobody", "", 404, "Content-Type: application/json");

        // The body's model
        Add("body: served name", Chat, """{"model":"bloom"}""", 200, Bloom);
        Add("body: address", Chat, """{"model":"team-a/shared"}""", 200, "<shared.team-a.example.com>");
        Add("body: name with a slash", Chat, """{"model":"org/model"}""", 200, "<slashed.default.example.com>");
        Add("body: one's name, another's address", Chat, """{"model":"default/opt"}""", 400, "candidates", "/models/default/opt/", "/models/evil/taker/");
        Add("body: ambiguous", Chat, """{"model":"shared"}""", 400, "/models/team-a/shared/", "\"param\":\"model\"");
        Add("body: none", Chat, """{"prompt":"x"}""", 400, "no \\u0022model\\u0022", "/models/NAMESPACE/NAME/openai/");
        Add("body: twice", Chat, """{"model":"bloom","model":"opt"}""", 400, "twice, as \\u0027bloom\\u0027 and as \\u0027opt\\u0027: leave one");
        Add("body: twice, far apart", Chat, $$"""{"model":"bloom","a":"{{new string('x', 60_000)}}","model":"opt"}""", 400, "twice");
        Add("body: twice the same", Chat, """{"model":"bloom","model":"bloom"}""", 200, Bloom);
        Add("body: number", Chat, """{"model":7}""", 400, "not a string: give the model\\u0027s name");
        Add("body: empty name", Chat, """{"model":""}""", 400, "empty: give");
        Add("body: huge name", Chat, $$"""{"model":"{{new string('b', 500_000)}}"}""", 404, "there is no model bbb", "\\u2026");
        Add("body: behind a MiB", Chat, $$"""{"a":"{{new string('x', 1 << 20)}}","model":"bloom"}""", 400, "first 1048576 bytes", "put it before what is long");
        Add("body: behind a MiB, by the address", "POST /models/default/bloom/openai/v1/chat/completions", $$"""{"a":"{{new string('x', 1 << 20)}}","model":"bloom"}""", 200, Bloom);
        Add("body: array", Chat, """[{"model":"bloom"}]""", 400, "no JSON object: write");
        Add("body: no JSON", Chat, "model=bloom", 400, "no JSON");
        Add("body: nothing", Chat, "", 400, "no JSON");
        Add("body: cut off", Chat, """{"prompt":"x""", 400, "no JSON");
        Add("body: compressed", $"{Chat}\nContent-Encoding: gzip", "xxxx", 400, "encoded (gzip)", "/models/NAMESPACE/NAME/openai/");
        Add("OpenAI without its prefix", "POST /v1/chat/completions", """{"model":"bloom"}""", 404, "there is nothing at /v1/chat/completions", "/openai/v1/models");

        // Deadlines
        foreach (var value in (string[])["", "soon", "NaN", "Infinity", "-5", "0", "1e3", "0x10", "5s", "1,5", "5, 6"])
        {
            Add($"Request-Timeout {value}", $"{Predict}\nRequest-Timeout: {value}", "{}", 400, $"Request-Timeout is \\u0027{value}\\u0027: give a positive number of seconds");
            Add($"X-Request-Timeout-Ms {value}", $"{Predict}\nX-Request-Timeout-Ms: {value}", "{}", 400, $"X-Request-Timeout-Ms is \\u0027{value}\\u0027: give a positive number of milliseconds");
        }

        Add("Request-Timeout twice", $"{Predict}\nRequest-Timeout: 5\nRequest-Timeout: 6", "{}", 400, "Request-Timeout is \\u00275,6\\u0027", "once");
        Add("Request-Timeout, a thousand digits", $"{Predict}\nRequest-Timeout: {new string('9', 1000)}", "{}", 200, Bloom);
        Add("Request-Timeout, Arabic digits", $"{Predict}\nRequest-Timeout: \u0665", "{}", 400);

        // Headers
        Add("Host of another model", $"{Predict}\nX-Forwarded-Host: opt.default.example.com", "{}", 200, Bloom);
        Add("two Hosts", $"{Predict}\nHost: opt.default.example.com", "{}", 400);
        Add("Connection names Host and the length", $"{Predict}\nConnection: close, host, content-length, content-type, x-mine\nX-Mine: 1\nX-Other: 2", "{}", 200, Bloom, " 2 ", "X-Other=2");
        Add("Connection names no header", $"{Predict}\nConnection: close, a b, :, =, \"", "{}", 200, Bloom);
        Add("Knative's steering", $"{Predict}\nKnative-Serving-Revision: opt-00001\nknative-serving-namespace: other\nK-Network-Probe: queue\nx-ms-invocation-id: 1", "{}", 200, Bloom, "!native-", "!K-Network", "!x-ms");
        Add("Envoy's retries", $"{Predict}\nx-envoy-retry-on: 5xx\nX-ENVOY-MAX-RETRIES: 9", "{}", 200, Bloom, "!nvoy", "!ENVOY");
        Add("Transfer-Encoding beside Content-Length", $"{Predict}\nTransfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n", 200, Bloom, " 2 ", "! Content-Length=");
        Add("Transfer-Encoding in disguise", $"{Predict}\nTransfer-Encoding: xchunked", "{}", 400);
        Add("two lengths", $"{Predict}\nContent-Length: 3", "{}", 400);
        Add("a header without a name", $"{Predict}\n: x", "{}", 400);
        Add("a folded header", $"{Predict}\nX-A: 1\n X-B: 2", "{}", 400);
        Add("WebSocket", "GET /v1/models/bloom\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", 400, "does not switch a connection", "without Upgrade");
        Add("WebSocket among others", "GET /models/default/bloom/v2\nConnection: Upgrade\nUpgrade: h2c, WebSocket", "", 400, "does not switch a connection");
        Add("SPDY", $"{Predict}\nConnection: Upgrade\nUpgrade: SPDY/3.1", "{}", 400, "does not switch a connection");
        Add("h2c offered, as Java's client does", $"{Predict}\nConnection: Upgrade, HTTP2-Settings, close\nUpgrade: h2c\nHTTP2-Settings: AAEAAEAA", "{}", 200, Bloom, " 2 ", "!HTTP2-Settings", "!h2c");
        Add("too long a header", $"{Predict}\nX-A: {new string('a', 40_000)}", "{}", 431);
        Add("too long a path", $"POST /v1/models/{new string('a', 9000)}:predict", "{}", 414);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = true)]
    public async Task Request_AsBytes_IsAnsweredOrReachesItsModel(string name, string head, string body, int status, string[] said)
    {
        var lines = head.Split('\n');
        var length = lines[0].StartsWith("GET", StringComparison.Ordinal) || lines[0].StartsWith("HEAD", StringComparison.Ordinal) ? "" : $"Content-Length: {body.Length}\r\n";
        var answer = await RoutesWorld.RawAsync(world.Http1, $"{lines[0]} HTTP/1.1\r\nHost: anybody\r\n{length}{string.Concat(lines.Skip(1).Select(l => l + "\r\n"))}"
            + (head.Contains("close", StringComparison.Ordinal) ? "\r\n" : "Connection: close\r\n\r\n") + body);
        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal), $"{name}: {answer}");
        Assert.All(said, part => Assert.True(part.StartsWith('!') ? !answer.Contains(part[1..], StringComparison.Ordinal) : answer.Contains(part, StringComparison.Ordinal), $"{name}, '{part}': {answer}"));
        // Only what is answered well has reached a gateway, and then under one Host.
        Assert.Equal(status == 200 && !head.StartsWith("HEAD", StringComparison.Ordinal) ? 1 : 0, answer.Split("REACHED <").Length - 1);
        Assert.True(answer.Length < 5000, $"{name}: {answer.Length}");
    }

    [Theory]
    [InlineData("bloom", "HTTP/1.1 100 Continue", "REACHED <bloom.default.example.com>")]
    [InlineData("nobody", "HTTP/1.1 404 Not Found", "there is no model nobody")]
    public async Task Expect_100_IsAnsweredBeforeTheBodyComes(string model, string first, string last)
    {
        using var client = await RoutesWorld.ConnectAsync(world.Http1);
        await client.SendAsync(Encoding.ASCII.GetBytes($"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"));
        using var reader = new StreamReader(new System.Net.Sockets.NetworkStream(client));
        Assert.Equal(first, await reader.ReadLineAsync().WaitAsync(RoutesWorld.Limit));
        await client.SendAsync("{}"u8.ToArray());
        Assert.Contains(last, await reader.ReadToEndAsync().WaitAsync(RoutesWorld.Limit), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("5;ext=1\r\n{\"a\":\r\n2\r\n1}\r\n0\r\nX-Sum: 7\r\n\r\n", 200)]
    [InlineData("zz\r\n{}\r\n0\r\n\r\n", 400)]
    [InlineData("-2\r\n{}\r\n0\r\n\r\n", 400)]
    [InlineData("ffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400)]
    public async Task Chunks_WithTrailersOrBroken_AreReadOrRefused(string body, int status)
    {
        var answer = await RoutesWorld.RawAsync(world.Http1, $"{Predict} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}");
        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal), answer);
        Assert.Equal(status == 200, answer.Contains($"REACHED {Bloom} /v1/models/bloom:predict 7 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SecondRequest_HiddenInABody_IsNone()
    {
        var hidden = "POST /v1/models/opt:predict HTTP/1.1\r\nHost: opt\r\nContent-Length: 0\r\n\r\n";
        var answer = await RoutesWorld.RawAsync(world.Http1, $"{Predict} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {hidden.Length}\r\n\r\n{hidden}");
        Assert.DoesNotContain("<opt.", answer, StringComparison.Ordinal);
        Assert.Contains($"REACHED {Bloom} /v1/models/bloom:predict {hidden.Length} ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/models/bloom:predict", 200, Bloom)]
    [InlineData("/v1/models/shared:predict", 400, "/models/team-a/shared/")]
    [InlineData("/v1/models/nobody:predict", 404, "there is no model nobody")]
    public async Task H2cPort_AnswersAlike(string path, int status, string said)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.H2c, path)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("{}") };
        request.Headers.Host = "opt.default.example.com";
        using var answer = await http.SendAsync(request).WaitAsync(RoutesWorld.Limit);
        Assert.Equal((status, HttpVersion.Version20), ((int)answer.StatusCode, answer.Version));
        Assert.Contains(said, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "POST /v1/models/bloom:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")]
    [InlineData(false, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    public async Task Ports_OfTheOtherProtocol_ReachNoModel(bool h2c, string request) =>
        Assert.DoesNotContain("REACHED", await RoutesWorld.RawAsync(h2c ? world.H2c : world.Http1, request, halfClose: true), StringComparison.Ordinal);
}
