using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What a wake does about a cache that is not where the pod will be.</summary>
public sealed class LocalityHoldTests
{
    [Theory]
    [InlineData("require", Locality.Local, false, false)]
    [InlineData("require", Locality.Spread, false, false)]
    [InlineData("require", Locality.Unknown, false, false)]
    [InlineData("require", Locality.Remote, true, false)]
    [InlineData("require", Locality.Cold, true, true)]
    [InlineData("require", Locality.Partial, true, true)]
    [InlineData("prefer", Locality.Cold, false, false)]
    [InlineData("prefer", Locality.Remote, false, false)]
    [InlineData("ignore", Locality.Cold, false, false)]
    internal void Rule_AsThePolicySays(string policy, Locality locality, bool waits, bool asks)
    {
        var rule = LocalityRule.Of(new() { Locality = policy, LocalityTimeoutSeconds = 10 }, new(locality, "test"), TimeSpan.FromSeconds(4));
        Assert.Equal((waits ? TimeSpan.FromSeconds(6) : null, asks), (rule.Wait, rule.Ask));
    }

    [Fact]
    public void Rule_AfterTheLimit_AcceptsWhatThereIs() =>
        Assert.Equal(default, LocalityRule.Of(new() { Locality = "require", LocalityTimeoutSeconds = 10 }, new(Locality.Cold, "test"), TimeSpan.FromSeconds(10)));

    [Fact]
    public void Rule_EciSidecar_IsNotWaitedFor_BecauseItWillNeverBeNearer() =>
        Assert.Equal(default, LocalityRule.Of(new() { Locality = "require" }, new(Locality.Remote, "EciSidecar"), default));

    [Fact]
    public async Task Require_ColdCache_AsksForTheLoadFirst_AndWakesWhenItIsThere()
    {
        await using var world = new RelayWorld();
        List<JsonObject> events = [];
        var sink = await world.ServeAsync(_ => { }, async context =>
        {
            Assert.Equal("application/cloudevents+json; charset=utf-8", context.Request.ContentType);
            events.Add((await JsonNode.ParseAsync(context.Request.Body))!.AsObject());
            // The first try is turned away: it has to come again.
            context.Response.StatusCode = events.Count == 1 ? 503 : 202;
        });
        await StartAsync(world, "require", 60, ("K_SINK", sink.Urls.First()));
        world.Scale.Set(ScaleLevel.Zero, locality: Locality.Cold);
        const string cause = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        var asked = world.AskAsync("patient", default, ("traceparent", cause));
        await UntilAsync(() => events.Count == 2);
        Assert.Equal((0, 0), (world.Wakes, world.Predictions.Count));
        var (first, second) = (events[0], events[1]);
        Assert.Equal("dev.prewarm.wake.requested", (string?)second["type"]);
        Assert.Equal("default/bloom/v1/bloom-predictor-00001", (string?)second["id"]);
        Assert.Equal((string?)first["id"], (string?)second["id"]);
        Assert.Equal(cause, (string?)second["traceparent"]);
        Assert.Equal(("default", "bloom", "Cold", "require"), ((string?)second["data"]!["namespace"], (string?)second["data"]!["name"], (string?)second["data"]!["locality"], (string?)second["data"]!["policy"]));
        world.Scale.Set(ScaleLevel.Zero, locality: Locality.Local);
        using var answer = await asked.WaitAsync(Limit);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.EndsWith(";cache=local", Assert.Single(answer.Headers.GetValues("X-Cold-Start")), StringComparison.Ordinal);
        Assert.Equal(1, world.Wakes);
    }

    [Fact]
    public async Task Require_CacheThatNeverComes_IsWaitedForUpToTheLimit_AndThenServed()
    {
        await using var world = new RelayWorld();
        await StartAsync(world, "require", 1);
        world.Scale.Set(ScaleLevel.Zero, locality: Locality.Partial);
        var began = TimeProvider.System.GetTimestamp();
        using var answer = await world.AskAsync().WaitAsync(Limit);
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 0.95, 5);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.EndsWith(";cache=partial", Assert.Single(answer.Headers.GetValues("X-Cold-Start")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prefer")]
    [InlineData("ignore")]
    public async Task OtherPolicies_DoNotWait(string policy)
    {
        await using var world = new RelayWorld();
        await StartAsync(world, policy, 60);
        world.Scale.Set(ScaleLevel.Zero, locality: Locality.Cold);
        Assert.Equal("{}", await BodyAsync(world.AskAsync()));
    }

    private static async Task StartAsync(RelayWorld world, string policy, int limit, params (string Key, string Value)[] settings)
    {
        var gateway = await world.ServeAsync(_ => { }, world.GatewayAsync);
        CachedModel model = RelayRouterTests.Model("default", "bloom");
        model.Spec!.Cache = new() { Locality = policy, LocalityTimeoutSeconds = limit };
        await world.RelayAsync(gateway.Urls.First(), model, settings);
    }
}
