using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
using Xunit;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>What a broker takes, and how it delivers.</summary>
public sealed class BrokerTests : IAsyncLifetime
{
    private readonly EventingWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync(new() { MaxEventBytes = 2000 });

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Ingress_BinaryEvent_ArrivesAsItWasSent()
    {
        var broker = await _world.BrokerAsync();
        const string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        Assert.Equal(202, await _world.PostAsync(broker, "1", body: """{"a": 1.50}""", headers:
            [("traceparent", trace), ("ce-traceparent", trace), ("ce-subject", "%E6%A8%A1"), ("x-request-id", "r"), ("Authorization", "Bearer secret")]));
        await _world.UntilAsync(() => !_world.Receiver.All.IsEmpty);
        var got = Assert.Single(_world.Receiver.All);
        Assert.Equal(("1", "some.thing", "/test", "%E6%A8%A1", trace), (got["id"], got["type"], got["source"], got["subject"], got["traceparent"]));
        Assert.Equal("""{"a": 1.50}""", got.Body);
        Assert.StartsWith("00-0af7651916cd43dd8448eb211c80319c-", got.Headers["traceparent"], StringComparison.Ordinal);
        Assert.NotEqual(trace, got.Headers["traceparent"]);
        Assert.Equal(("reply", "r"), (got.Headers["Prefer"], got.Headers["x-request-id"]));
        Assert.NotNull(got["knativearrivaltime"]);
        Assert.Null(got["knativebrokerttl"]);
        Assert.False(got.Headers.ContainsKey("Authorization"));
    }

    [Theory]
    [InlineData("""{"specversion":"1.0","id":"1","type":"t","source":"/s","number":7,"data":{"b":"ä"}}""", """{"b":"ä"}""")]
    [InlineData("""{"specversion":"1.0","id":"1","type":"t","source":"/s","number":7,"datacontenttype":"text/plain","data":"plain"}""", "plain")]
    [InlineData("""{"specversion":"1.0","id":"1","type":"t","source":"/s","number":7,"datacontenttype":"text/plain","data_base64":"cGxhaW4="}""", "plain")]
    public async Task Ingress_StructuredEvent_ArrivesAsBinary(string json, string body)
    {
        var broker = await _world.BrokerAsync();
        Assert.Equal(202, await PostAsync(broker, "application/cloudevents+json; charset=utf-8", json));
        await _world.UntilAsync(() => !_world.Receiver.All.IsEmpty);
        var got = Assert.Single(_world.Receiver.All);
        Assert.Equal(("1", "t", "/s", "7", body), (got["id"], got["type"], got["source"], got["number"], got.Body));
    }

    [Fact]
    public async Task Ingress_WhatIsNoEvent_IsRefused()
    {
        var broker = await _world.BrokerAsync();
        const string whole = """{"specversion":"1.0","id":"1","type":"t","source":"/s"}""";
        Assert.Equal(400, await PostAsync(broker, "application/json", whole));
        Assert.Equal(400, await PostAsync(broker, "application/cloudevents+json", """{"specversion":"1.0","id":"1","type":"t"}"""));
        Assert.Equal(400, await PostAsync(broker, "application/cloudevents+json", "{"));
        Assert.Equal(400, await PostAsync(broker, "application/cloudevents-batch+json", $"[{whole}]"));
        Assert.Equal(400, await _world.PostAsync(broker, ""));
        Assert.Equal(400, await _world.PostAsync(new(broker, "/default/b/more"), "1"));
        Assert.Equal(404, await _world.PostAsync(new(broker, "/default/nobody"), "1"));
        Assert.Equal(413, await _world.PostAsync(broker, "1", body: new string('x', 3000)));
        Assert.Equal(400, await _world.PostAsync(broker, "1", headers: ("ce-knativebrokerttl", "1")));
        Assert.Equal(405, await _world.SendAsync(new(HttpMethod.Get, broker)));
        Assert.Equal(200, await _world.SendAsync(new(HttpMethod.Options, broker)));
        Assert.Equal(0, _world.Eventing.Counts.Accepted);
    }

    [Theory]
    [InlineData(503)]
    [InlineData(500)]
    [InlineData(404)]
    [InlineData(408)]
    [InlineData(409)]
    [InlineData(429)]
    public async Task Delivery_FailureThatMayPass_IsTriedAgain(int status)
    {
        var broker = await _world.BrokerAsync(Retries(3));
        Answer((_, before) => before < 2 ? status : 204);
        await _world.PostAsync(broker, "1");
        await _world.UntilAsync(() => _world.Eventing.Counts.Delivered == 1);
        Assert.Equal(["1", "1", "1"], _world.Receiver.All.Select(e => e["id"]));
        Assert.Equal(2, _world.Eventing.Counts.Retries);
    }

    [Theory]
    [InlineData(400, 1)]
    [InlineData(401, 1)]
    [InlineData(415, 1)]
    [InlineData(302, 1)]
    [InlineData(503, 3)]
    public async Task Delivery_Failed_GoesToTheDeadLetterWithTheReason(int status, int tries)
    {
        var delivery = Retries(2);
        delivery["deadLetterSink"] = new JsonObject { ["ref"] = new JsonObject { ["kind"] = "Service", ["name"] = "receiver", ["apiVersion"] = "v1" }, ["uri"] = "/dead" };
        var broker = await _world.BrokerAsync(delivery);
        Answer((path, _) => path == "/dead" ? 202 : status, "why not");
        await _world.PostAsync(broker, "1", body: """{"kept":true}""");
        await _world.UntilAsync(() => _world.Eventing.Counts.DeadLettered == 1);
        Assert.Equal(tries, _world.Receiver.Of("/events").Count());
        var dead = Assert.Single(_world.Receiver.Of("/dead"));
        Assert.Equal(("1", """{"kept":true}""", status.ToString()), (dead["id"], dead.Body, dead["knativeerrorcode"]));
        Assert.Equal(_world.Receiver.At("/events").ToString(), dead["knativeerrordest"]);
        Assert.Equal("why not", Encoding.UTF8.GetString(Convert.FromBase64String(dead["knativeerrordata"]!)));
    }

    [Fact]
    public async Task Delivery_NobodyThereAndNoDeadLetter_IsLostAndSaid()
    {
        var broker = await _world.BrokerAsync(Retries(1));
        await _world.Receiver.DisposeAsync();
        await _world.PostAsync(broker, "1");
        await _world.UntilAsync(() => _world.Eventing.Counts.Lost == 1);
        Assert.Contains(_world.Log, l => l.Contains("event 1 some.thing is lost", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Delivery_SlowerThanTheTimeout_IsAFailure()
    {
        var delivery = Retries(1);
        delivery["timeout"] = "PT0.1S";
        var broker = await _world.BrokerAsync(delivery);
        _world.Receiver.Answer = async (_, before, response) =>
        {
            if (before == 0)
            {
                await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, response.HttpContext.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        };
        await _world.PostAsync(broker, "1");
        await _world.UntilAsync(() => _world.Eventing.Counts.Delivered == 1);
        Assert.Equal(2, _world.Receiver.All.Count);
    }

    [Fact]
    public async Task Answer_WithAnEvent_IsAReplyToTheBroker()
    {
        var broker = await _world.BrokerAsync(filters: [new JsonObject { ["exact"] = new JsonObject { ["type"] = "question" } }]);
        await _world.ReadyAsync(EventingKinds.Triggers, "answers", new()
        {
            ["broker"] = "b",
            ["filter"] = new JsonObject { ["attributes"] = new JsonObject { ["type"] = "answer" } },
            ["subscriber"] = new JsonObject { ["uri"] = _world.Receiver.At("/answers").ToString() },
        });
        _world.Receiver.Answer = async (received, _, response) =>
        {
            if (received.Path == "/events")
            {
                foreach (var (name, value) in ((string, string)[])[("ce-specversion", "1.0"), ("ce-id", "a"), ("ce-type", "answer"), ("ce-source", "/me")])
                {
                    response.Headers[name] = value;
                }

                await response.WriteAsync("42");
            }
        };
        await _world.PostAsync(broker, "q", "question", headers: ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        await _world.UntilAsync(() => _world.Receiver.Of("/answers").Any());
        var reply = Assert.Single(_world.Receiver.Of("/answers"));
        Assert.Equal(("a", "answer", "42"), (reply["id"], reply["type"], reply.Body));
        Assert.StartsWith("00-0af7651916cd43dd8448eb211c80319c-", reply.Headers["traceparent"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_WithABodyThatIsNoEvent_IsAFailureInSpiteOfIts200()
    {
        var broker = await _world.BrokerAsync(Retries(2));
        Answer((_, _) => 200, "done");
        await _world.PostAsync(broker, "1");
        await _world.UntilAsync(() => _world.Eventing.Counts.Lost == 1);
        Assert.Equal(3, _world.Receiver.All.Count);
    }

    [Fact]
    public async Task Reply_GoingRoundForEver_EndsWithItsHops()
    {
        var broker = await _world.BrokerAsync();
        _world.Receiver.Answer = (_, _, response) =>
        {
            foreach (var (name, value) in ((string, string)[])[("ce-specversion", "1.0"), ("ce-id", "again"), ("ce-type", "round"), ("ce-source", "/me")])
            {
                response.Headers[name] = value;
            }

            return Task.CompletedTask;
        };
        await _world.PostAsync(broker, "1");
        await _world.UntilAsync(() => _world.Log.Any(l => l.Contains("refused the reply", StringComparison.Ordinal)));
        Assert.Equal(254, _world.Receiver.All.Count);
    }

    [Fact]
    public async Task Trigger_WithCesql_SaysSoAndGetsNothing()
    {
        var broker = await _world.BrokerAsync();
        await _world.CreateAsync(EventingKinds.Triggers, "sql", new()
        {
            ["broker"] = "b",
            ["filters"] = new JsonArray(new JsonObject { ["cesql"] = "type = 'some.thing'" }),
            ["subscriber"] = new JsonObject { ["uri"] = _world.Receiver.At("/sql").ToString() },
        });
        var trigger = await _world.UntilReadyAsync(EventingKinds.Triggers, "sql", "False");
        Assert.Equal("FilterNotSupported", EventingWorld.Condition(trigger, "SubscriptionReady").Text("reason"));
        await _world.PostAsync(broker, "1");
        await _world.UntilAsync(() => _world.Eventing.Counts.Delivered == 1);
        Assert.Empty(_world.Receiver.Of("/sql"));
    }

    [Fact]
    public async Task Trigger_Deleted_GetsNothingMore()
    {
        var broker = await _world.BrokerAsync();
        await _world.ReadyAsync(EventingKinds.Triggers, "stays", new()
        {
            ["broker"] = "b",
            ["subscriber"] = new JsonObject { ["uri"] = _world.Receiver.At("/stays").ToString() },
        });
        await _world.Api.DeleteAsync(EventingKinds.Triggers, "default", "t", null, false, _world.Deadline);
        await _world.UntilAsync(async () =>
        {
            var (delivered, gone) = (_world.Eventing.Counts.Delivered, _world.Receiver.Of("/events").Count());
            await _world.PostAsync(broker, Guid.NewGuid().ToString());
            await _world.UntilAsync(() => _world.Eventing.Counts.Delivered > delivered);
            return _world.Receiver.Of("/events").Count() == gone && _world.Eventing.Counts.Delivered == delivered + 1;
        });
    }

    private static JsonObject Retries(int retries) => new() { ["retry"] = retries, ["backoffPolicy"] = "exponential", ["backoffDelay"] = "PT0.01S" };

    private void Answer(Func<string, int, int> status, string? body = null) => _world.Receiver.Answer = async (received, before, response) =>
    {
        response.StatusCode = status(received.Path, before);
        if (body is not null && response.StatusCode is not (202 or 204))
        {
            await response.WriteAsync(body);
        }
    };

    private async Task<int> PostAsync(Uri to, string contentType, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, to) { Content = new StringContent(body, Encoding.UTF8) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return await _world.SendAsync(request);
    }
}
