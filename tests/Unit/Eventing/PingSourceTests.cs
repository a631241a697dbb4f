using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
using Xunit;

namespace Prewarm.Tests.Unit.Eventing;

public sealed class PingSourceTests : IAsyncLifetime
{
    private readonly EventingWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Ping_EverySecond_BringsItsDataWithANewIdEachTime()
    {
        var source = await _world.ReadyAsync(EventingKinds.PingSources, "tick", new()
        {
            ["schedule"] = "* * * * * *",
            ["contentType"] = "application/json",
            ["data"] = """{"sweep": true}""",
            ["ceOverrides"] = new JsonObject { ["extensions"] = new JsonObject { ["cluster"] = "one" } },
            ["sink"] = new JsonObject { ["ref"] = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Service", ["name"] = "receiver" }, ["uri"] = "/events/sweep?token=t" },
        });
        Assert.Equal(_world.Receiver.At("/events/sweep?token=t").ToString(), source.Text("status", "sinkUri"));
        await _world.UntilAsync(() => _world.Receiver.All.Count >= 2);
        var pings = _world.Receiver.All.Take(2).ToList();
        Assert.All(pings, p =>
        {
            Assert.Equal(("dev.knative.sources.ping", "/apis/v1/namespaces/default/pingsources/tick", "one"), (p["type"], p["source"], p["cluster"]));
            Assert.Equal(("/events/sweep", "?token=t", """{"sweep": true}""", "application/json"), (p.Path, p.Query, p.Body, p.ContentType));
        });
        Assert.NotEqual(pings[0]["id"], pings[1]["id"]);
    }

    [Theory]
    [InlineData("@every 1s", null, null, "unsupported")]
    [InlineData("* * * * *", "{", null, "no JSON")]
    [InlineData("* * * * *", "{}", "e30=", "got both")]
    public async Task Ping_Wrong_SaysSo(string schedule, string? data, string? base64, string message)
    {
        var spec = new JsonObject { ["schedule"] = schedule, ["contentType"] = "application/json", ["sink"] = new JsonObject { ["uri"] = _world.Receiver.Address.ToString() } };
        foreach (var (name, value) in ((string, string?)[])[("data", data), ("dataBase64", base64)])
        {
            if (value is not null)
            {
                spec[name] = value;
            }
        }

        await _world.CreateAsync(EventingKinds.PingSources, "wrong", spec);
        var source = await _world.UntilReadyAsync(EventingKinds.PingSources, "wrong", "False");
        Assert.Contains(message, EventingWorld.Condition(source, "Ready").Text("message"), StringComparison.Ordinal);
    }
}
