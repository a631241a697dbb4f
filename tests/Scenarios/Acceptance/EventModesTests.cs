using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// What <c>/events/oss</c> takes and refuses. An event's own look is told from all others by its trace: a multipart upload that has only begun makes a
/// version without an event that counts, and the version keeps the trace of the event that found it.
/// </summary>
public sealed class EventModesTests(SharedSandbox shared)
{
    private static readonly MediaTypeHeaderValue s_structured = new("application/cloudevents+json") { CharSet = "utf-8" };
    private static readonly MediaTypeHeaderValue s_batch = new("application/cloudevents-batch+json") { CharSet = "utf-8" };

    [Theory(Explicit = true)]
    [InlineData("binary")]
    [InlineData("structured")]
    [InlineData("plain")]
    [InlineData("batch")]
    public async Task EveryMode_IsTaken(string mode)
    {
        var world = await shared.WorldAsync($"event-{mode}");
        await world.ModelAsync("any", "any");
        Assert.True(await HeardAsync(world, "ObjectCreated:PutObject", json => mode switch
        {
            "binary" => BinaryAsync(world, json),
            "structured" => SendAsync(world, json.ToJsonString(), s_structured),
            // EventBridge posts whole events as plain JSON.
            "plain" => SendAsync(world, json.ToJsonString(), new("application/json")),
            _ => SendAsync(world, new JsonArray(Event("somebody-elses", "c"), json, Event(world.Bucket, "other/v1/b")).ToJsonString(), s_batch),
        }));
    }

    [Fact(Explicit = true)]
    public async Task WhatIsNoEventOfOurs_IsRefusedOrLetBe()
    {
        var world = await shared.WorldAsync("event-refusals");
        await world.ModelAsync("any", "any");
        var json = Event(world.Bucket, "any/v1/a").ToJsonString();
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(SendAsync(world, json, s_structured, new(world.Sandbox.OssEvents, "/events/oss?token=wrong"))));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(SendAsync(world, json, s_structured, new(world.Sandbox.OssEvents, "/events/oss"))));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(SendAsync(world, "not even JSON", s_structured, new(world.Sandbox.OssEvents, "/events/oss?token=wrong"))));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(SendAsync(world, "{", s_structured)));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(SendAsync(world, "[]", s_structured)));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(SendAsync(world, """{"specversion":"1.0","id":"1"}""", s_structured)));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(SendAsync(world, """{"specversion":"1.0","id":"1","source":"acs.oss","type":"oss:ObjectCreated:PutObject"}""", s_structured)));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(SendAsync(world, "[1]", s_batch)));
        Assert.Contains(await StatusAsync(SendAsync(world, """{"hello":"world"}""", new("application/json"))), (HttpStatusCode[])[HttpStatusCode.BadRequest, HttpStatusCode.UnsupportedMediaType]);
        var large = Event(world.Bucket, "any/v1/a");
        large["data"]!["padding"] = new string('x', 1 << 20);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await StatusAsync(SendAsync(world, large.ToJsonString(), s_structured)));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await StatusAsync(BinaryAsync(world, large)));
        Assert.Equal(HttpStatusCode.Accepted, await StatusAsync(SendAsync(world, Event("nobodys-bucket", "a").ToJsonString(), s_structured)));
    }

    [Theory(Explicit = true)]
    [InlineData("ObjectCreated:UploadPart")]
    [InlineData("ObjectCreated:InitiateMultipartUpload")]
    [InlineData("ObjectRemoved:AbortMultipartUpload")]
    [InlineData("ObjectRemoved:DeleteObject")]
    public async Task WhatMakesNoObjectReadable_DoesNotCount(string name)
    {
        var world = await shared.WorldAsync($"event-{Guid.NewGuid():N}"[..20]);
        await world.ModelAsync("any", "any");
        Assert.False(await HeardAsync(world, name, json => SendAsync(world, json.ToJsonString(), s_structured)));
    }

    /// <summary>
    /// Whether one of some events began a version. Looks for other reasons (the model was just made, a sweep) may be quicker than a single one,
    /// and then the version has their trace.
    /// </summary>
    private static async Task<bool> HeardAsync(UserWorld world, string name, Func<JsonObject, Task<HttpResponseMessage>> send)
    {
        for (var i = 1; i <= 5; i++)
        {
            var version = $"v{i}";
            await world.Sandbox.Store.InitiateMultipartUploadAsync(world.Bucket, $"any/{version}/weights.bin");
            var json = Event(world.Bucket, $"any/{version}/weights.bin", name);
            var trace = $"00-{Guid.NewGuid():N}-{Guid.NewGuid().ToString("N")[..16]}-01";
            json["traceparent"] = trace;
            Assert.Equal(HttpStatusCode.Accepted, await StatusAsync(send(json)));

            // Whatever the event has done, this one shows the version.
            Assert.Equal(HttpStatusCode.Accepted, await StatusAsync(SendAsync(world, Event(world.Bucket, $"any/{version}/weights.bin").ToJsonString(), s_structured)));
            var model = await world.UntilAsync("any", m => m.Version(version) is not null, $"{version} is not seen");
            if (model.Version(version).Text("traceparent") == trace)
            {
                return true;
            }
        }

        return false;
    }

    internal static JsonObject Event(string bucket, string key, string name = "ObjectCreated:PutObject") => new()
    {
        ["specversion"] = "1.0",
        ["id"] = Guid.NewGuid().ToString("N"),
        ["source"] = "acs.oss",
        ["type"] = $"oss:{name}",
        ["subject"] = $"acs:oss:cn-shanghai:1:{bucket}/{key}",
        ["time"] = "2026-11-24T08:00:00.000Z",
        ["datacontenttype"] = "application/json;charset=utf-8",
        ["data"] = new JsonObject
        {
            ["eventName"] = name,
            ["oss"] = new JsonObject { ["bucket"] = new JsonObject { ["name"] = bucket }, ["object"] = new JsonObject { ["key"] = key, ["size"] = 1, ["eTag"] = "00" } },
        },
    };

    internal static async Task<HttpResponseMessage> SendAsync(UserWorld world, string body, MediaTypeHeaderValue type, Uri? to = null)
    {
        using var content = new StringContent(body, Encoding.UTF8, type);
        return await world.Sandbox.Relay.PostAsync(to ?? world.Sandbox.OssEvents, content);
    }

    private static async Task<HttpResponseMessage> BinaryAsync(UserWorld world, JsonObject whole)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, world.Sandbox.OssEvents) { Content = new StringContent(whole["data"]!.ToJsonString(), Encoding.UTF8, "application/json") };
        foreach (var (name, value) in whole.Where(p => p.Key is not ("data" or "datacontenttype")))
        {
            request.Headers.TryAddWithoutValidation($"ce-{name}", value!.ToString());
        }

        return await world.Sandbox.Relay.SendAsync(request);
    }

    private static async Task<HttpStatusCode> StatusAsync(Task<HttpResponseMessage> sent)
    {
        using var answer = await sent;
        return answer.StatusCode;
    }
}
