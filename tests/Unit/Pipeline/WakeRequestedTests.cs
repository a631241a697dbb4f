using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Pipeline;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>What a relay's request to load a cold cache leads to, on the API server.</summary>
public sealed class WakeRequestedTests : IAsyncLifetime
{
    private const string Dataset = "bloom-0123456789";
    private readonly ApiWorld _world = new();
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());
    private WakeRequestedFunction _function = null!;

    public async ValueTask InitializeAsync()
    {
        await _world.StartAsync();
        var model = await _world.Api.CreateAsync(Kinds.CachedModels, "default", JsonNode.Parse("""
            {"apiVersion":"prewarm.dev/v1alpha1","kind":"CachedModel","metadata":{"name":"bloom"},"spec":{"source":{"uri":"oss://b/m","endpoint":"e"},"cache":{"replicas":2}}}
            """)!.AsObject(), _world.Deadline);
        model["status"] = JsonNode.Parse($$"""
            {"phase":"Serving","version":"v1","versions":[{"name":"v1","digest":"0123456789abcdef","state":"Serving","dataset":"{{Dataset}}","path":"/bloom","dataLoad":"{{Dataset}}-load"}]}
            """);
        await _world.Api.ReplaceAsync(Kinds.CachedModels, "default", "bloom", model, "status", _world.Deadline);
        var desk = new EventDesk(new("secret"), new LineFake(), new CatalogFake(), new Microsoft.Extensions.Hosting.Internal.ApplicationLifetime(NullLogger<Microsoft.Extensions.Hosting.Internal.ApplicationLifetime>.Instance), TimeProvider.System, NullLogger<EventDesk>.Instance);
        _function = new(desk, new WakeLoads(_world.Api, _time, NullLogger<WakeLoads>.Instance));
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Requests_ManyTimes_MakeOneLoadOfWhatServes_AndAnotherOnlyAfterItHasEnded()
    {
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(202, await SendAsync());
        }

        var load = Assert.Single(await LoadsAsync());
        Assert.Equal(($"{Dataset}-wake", Dataset, "/bloom"), (load.Name(), load.Text("spec", "dataset", "name"), load.At("spec", "target").Objects().Single().Text("path")));
        Assert.Equal("bloom", load.Text("metadata", "labels", "prewarm.dev/model"));
        var first = load.Text("metadata", "uid");
        await _world.Api.MergePatchAsync(Kinds.DataLoads, "default", load.Name(), """{"status":{"phase":"Complete","conditions":[],"duration":"1s"}}""", "status", _world.Deadline);
        // So soon it has not been judged yet.
        Assert.Equal(202, await SendAsync());
        Assert.Equal(first, Assert.Single(await LoadsAsync()).Text("metadata", "uid"));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(202, await SendAsync());
        // Under a name of its own, because Fluid takes its time to remove one.
        Assert.Equal([$"{Dataset}-wake", $"{Dataset}-wake-2"], (await LoadsAsync()).Select(l => l.Name()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Request_WhileTheVersionsOwnLoadRuns_MakesNone()
    {
        await _world.Api.CreateAsync(Kinds.DataLoads, "default", JsonNode.Parse($$"""
            {"apiVersion":"data.fluid.io/v1alpha1","kind":"DataLoad","metadata":{"name":"{{Dataset}}-load","labels":{"prewarm.dev/model":"bloom","app.kubernetes.io/managed-by":"prewarm"} },
            "spec":{"dataset":{"name":"{{Dataset}}","namespace":"default"} } }
            """)!.AsObject(), _world.Deadline);
        Assert.Equal(202, await SendAsync());
        Assert.Equal($"{Dataset}-load", Assert.Single(await LoadsAsync()).Name());
    }

    [Fact]
    public async Task Request_WhileSomebodyElsesLoadHasTheDataset_MakesNone()
    {
        await _world.Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset(Dataset), _world.Deadline);
        await _world.Api.MergePatchAsync(Kinds.Datasets, "default", Dataset, """{"status":{"conditions":[],"operationRef":{"DataLoad":"nightly"}}}""", "status", _world.Deadline);
        Assert.Equal(202, await SendAsync());
        Assert.Empty(await LoadsAsync());
    }

    [Theory]
    [InlineData("secret", "nobody", 202)]
    [InlineData("wrong", "bloom", 401)]
    [InlineData("secret", "../bloom", 400)]
    [InlineData("secret", null, 400)]
    public async Task Request_WithoutTokenOrName_MakesNothing(string token, string? name, int status)
    {
        Assert.Equal(status, await SendAsync(token, name));
        Assert.Empty(await LoadsAsync());
    }

    private async Task<IReadOnlyList<JsonObject>> LoadsAsync() => (await _world.Api.ListAsync(Kinds.DataLoads, "default", null, _world.Deadline)).Items;

    private async Task<int> SendAsync(string token = "secret", string? name = "bloom")
    {
        var context = new DefaultHttpContext();
        context.Request.ContentType = "application/cloudevents+json";
        context.Request.Headers.Authorization = $"Bearer {token}";
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(new JsonObject
        {
            ["specversion"] = "1.0",
            ["id"] = "1",
            ["source"] = "/prewarm/relay",
            ["type"] = "dev.prewarm.wake.requested",
            ["data"] = new JsonObject { ["namespace"] = "default", ["name"] = name },
        }.ToJsonString()));
        var result = await _function.RunAsync(context.Request, _world.Deadline);
        return Assert.IsAssignableFrom<IStatusCodeHttpResult>(result).StatusCode ?? 200;
    }
}
