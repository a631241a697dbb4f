using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.ApiServer;
using Xunit;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;

namespace Prewarm.Tests.Unit.ApiServer;

public sealed class ApiServerTests : IAsyncLifetime
{
    private const string Models = "/apis/prewarm.dev/v1alpha1/namespaces/default/cachedmodels";
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(60));
    private Server _server = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await Server.StartAsync(new(), _deadline.Token);
        _client = _server.CreateClient();
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
        _deadline.Dispose();
    }

    [Fact]
    public async Task Apply_Twice_WritesNothingTheSecondTime()
    {
        var first = await ApplyAsync("a", """{"spec":{"source":{"uri":"oss://b/m","endpoint":"e"}}}""");
        var second = await ApplyAsync("a", """{"spec":{"source":{"uri":"oss://b/m","endpoint":"e"}}}""");
        Assert.Equal((string?)first["metadata"]!["resourceVersion"], (string?)second["metadata"]!["resourceVersion"]);
        Assert.Equal(2, second["spec"]!["cache"]!["replicas"]!.GetValue<int>());
        Assert.Equal(1, second["metadata"]!["generation"]!.GetValue<int>());
    }

    [Fact]
    public async Task Apply_AnothersField_ConflictsUnlessForced()
    {
        await ApplyAsync("a", """{"spec":{"source":{"uri":"oss://b/m","endpoint":"e"},"cache":{"replicas":3}}}""");
        await ApplyAsync("b", """{"spec":{"cache":{"replicas":4}}}""", expected: HttpStatusCode.Conflict);
        var forced = await ApplyAsync("b", """{"spec":{"cache":{"replicas":4}}}""", "&force=true");
        Assert.Equal(4, forced["spec"]!["cache"]!["replicas"]!.GetValue<int>());
    }

    [Fact]
    public async Task Apply_OutOfBounds_IsInvalid() =>
        await ApplyAsync("a", """{"spec":{"source":{"uri":"file://x","endpoint":"e"}}}""", expected: HttpStatusCode.UnprocessableEntity);

    [Fact]
    public async Task Watch_AfterCompaction_IsExpired()
    {
        await ApplyAsync("a", """{"spec":{"source":{"uri":"oss://b/m","endpoint":"e"}}}""");
        _server.Store.Compact();
        var text = await _client.GetStringAsync(Models + "?watch=1&resourceVersion=1&timeoutSeconds=5", _deadline.Token);
        Assert.Equal(410, JsonNode.Parse(text)!["object"]!["code"]!.GetValue<int>());
    }

    private async Task<JsonObject> ApplyAsync(string manager, string body, string query = "", HttpStatusCode expected = HttpStatusCode.OK)
    {
        body = """{"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel",""" + body[1..];
        using var content = new StringContent(body, MediaTypeHeaderValue.Parse("application/apply-patch+yaml"));
        using var response = await _client.PatchAsync($"{Models}/bloom?fieldManager={manager}{query}", content, _deadline.Token);
        var text = await response.Content.ReadAsStringAsync(_deadline.Token);
        Assert.True(expected == HttpStatusCode.OK ? response.IsSuccessStatusCode : response.StatusCode == expected, text);
        return JsonNode.Parse(text)!.AsObject();
    }
}
