using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Events;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
using Xunit;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>Prewarm's own wiring, applied to a cluster.</summary>
public sealed class PrewarmEventingTests : IAsyncLifetime
{
    private readonly EventingWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wiring_Applied_BringsEachKindToItsRouteWithTheToken(bool scale)
    {
        await _world.Api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = "models" } }, _world.Deadline);
        await _world.Api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = "prewarm-system" } }, _world.Deadline);
        var wiring = new PrewarmEventing { Namespace = "prewarm-system", Functions = _world.Receiver.Address, Token = "a+b&c", DeadLetter = _world.Receiver.At("/dead"), Scale = scale };
        foreach (var (type, obj) in wiring.Objects())
        {
            await _world.Api.ApplyAsync(type, type.Namespaced ? "prewarm-system" : null, obj.Name(), obj, "test", false, null, _world.Deadline);
        }

        foreach (var (type, obj) in wiring.Objects().Where(o => o.Type.Group is "eventing.knative.dev" or "sources.knative.dev"))
        {
            await _world.UntilReadyAsync(type, obj.Name(), ns: "prewarm-system");
        }

        var ours = new JsonObject { ["app.kubernetes.io/managed-by"] = "prewarm", ["prewarm.dev/model"] = "bloom" };
        var served = new JsonObject { ["serving.kserve.io/inferenceservice"] = "bloom" };
        await _world.CreateAsync(Kinds.Datasets, "foreign", [], "models");
        await _world.CreateAsync(Kinds.Datasets, "ours", [], "models", ours.DeepClone().AsObject());
        await _world.CreateAsync(Kinds.DataLoads, "ours", new() { ["dataset"] = new JsonObject { ["name"] = "ours", ["namespace"] = "models" } }, "models", ours);
        await _world.CreateAsync(Kinds.PodAutoscalers, "pa", [], "models", served);
        await _world.UntilAsync(() => _world.Receiver.Of("/events/cluster").Count() == 2 && _world.Receiver.Of("/events/scale").Count() == (scale ? 1 : 0));
        await _world.UntilAsync(() => _world.Eventing.Counts.Accepted == 3);

        Assert.All(_world.Receiver.All.Where(r => r.Path != "/events/sweep"), r => Assert.Equal("?token=a%2Bb%26c", r.Query));
        Assert.Equal(["DataLoad", "Dataset"], _world.Receiver.Of("/events/cluster").Select(r => r["kind"]).Order());
        Assert.All(_world.Receiver.Of("/events/cluster"), r => Assert.Equal("ours", r["name"]));

        // The functions' own reader understands what came.
        var first = _world.Receiver.Of("/events/cluster").First();
        var context = new DefaultHttpContext();
        context.Request.Method = "POST";
        context.Request.ContentType = first.ContentType;
        context.Request.QueryString = new(first.Query);
        foreach (var (name, value) in first.Headers.Where(h => h.Key.StartsWith("ce-", StringComparison.OrdinalIgnoreCase)))
        {
            context.Request.Headers[name] = value;
        }

        context.Request.Body = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(first.Body));
        Assert.True(new EventToken("a+b&c").Allows(context.Request));
        var read = await CloudEventReader.ReadAsync(context.Request, _world.Deadline);
        var change = ApiServerEvent.Parse(Assert.Single(read.Events));
        Assert.Equal((first["kind"], "models", "ours", "bloom"), (change!.Kind, change.Namespace, change.Name, change.Labels["prewarm.dev/model"]));
    }
}
