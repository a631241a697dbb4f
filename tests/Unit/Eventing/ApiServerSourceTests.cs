using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
using Xunit;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>Changes of objects become events at a subscriber, by way of a broker or straight.</summary>
public sealed class ApiServerSourceTests : IAsyncLifetime
{
    private readonly EventingWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Change_OfAWatchedObject_ReachesTheSubscriberThroughTheBroker()
    {
        await AllowAsync();
        await _world.CreateAsync(Kinds.Datasets, "before", []);
        await _world.BrokerAsync();
        await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", Source(BrokerSink()));

        await _world.CreateAsync(Kinds.Datasets, "oss-data", []);
        await _world.Api.MergePatchAsync(Kinds.Datasets, "default", "oss-data", """{"status":{"phase":"Bound","conditions":[]}}""", "status", _world.Deadline);
        await _world.Api.DeleteAsync(Kinds.Datasets, "default", "oss-data", null, false, _world.Deadline);
        await _world.UntilAsync(() => _world.Receiver.All.Count == 3);

        // The broker keeps no order.
        var events = _world.Receiver.All.OrderBy(e => Array.IndexOf(["add", "update", "delete"], e["type"]!.Split('.')[^1])).ToList();
        Assert.Equal(["add", "update", "delete"], events.Select(e => e["type"]!["dev.knative.apiserver.resource.".Length..]));
        Assert.All(events, e =>
        {
            Assert.Equal("/apis/data.fluid.io/v1alpha1/namespaces/default/datasets/oss-data", e["subject"]);
            Assert.Equal(("data.fluid.io/v1alpha1", "Dataset", "oss-data", "default"), (e["apiversion"], e["kind"], e["name"], e["namespace"]));
            Assert.Equal("https://10.96.0.1:443", e["source"]);
            Assert.Equal("application/json", e.ContentType);
            Assert.Equal("Dataset", e.Json.Text("kind"));
            Assert.True(Guid.TryParse(e["id"], out _));
            Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", e.Headers["traceparent"]);
        });
        Assert.Equal(3, events.Select(e => e["id"]).Distinct().Count());
        Assert.Equal("Bound", events[1].Json.Text("status", "phase"));
    }

    [Fact]
    public async Task Source_SelectorOverridesAndUriSink_OnlyTheSelectedWithTheExtensions()
    {
        await AllowAsync();
        var spec = Source(new() { ["uri"] = _world.Receiver.At("/straight").ToString() });
        spec["resources"]!.AsArray()[0]!["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["mine"] = "yes" } };
        spec["ceOverrides"] = new JsonObject { ["extensions"] = new JsonObject { ["cluster"] = "one" } };
        var source = await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", spec);
        Assert.Equal(_world.Receiver.At("/straight").ToString(), source.Text("status", "sinkUri"));

        await _world.CreateAsync(Kinds.Datasets, "other", []);
        await _world.CreateAsync(Kinds.Datasets, "mine", [], labels: new() { ["mine"] = "yes" });
        await _world.UntilAsync(() => !_world.Receiver.All.IsEmpty);
        var only = Assert.Single(_world.Receiver.All);
        Assert.Equal(("mine", "one", "/straight"), (only["name"], only["cluster"], only.Path));
    }

    [Fact]
    public async Task Source_ReferenceModeAndOwnNamespace_SendsReferencesOfItOnly()
    {
        await AllowAsync();
        await _world.Api.CreateAsync(Kinds.Namespaces, null, new() { ["metadata"] = new JsonObject { ["name"] = "elsewhere" } }, _world.Deadline);
        var spec = Source(new() { ["uri"] = _world.Receiver.Address.ToString() });
        spec.Remove("mode");
        await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", spec);
        await _world.CreateAsync(Kinds.Datasets, "far", [], "elsewhere");
        await _world.CreateAsync(Kinds.Datasets, "near", []);
        await _world.UntilAsync(() => !_world.Receiver.All.IsEmpty);
        var only = Assert.Single(_world.Receiver.All);
        Assert.Equal("dev.knative.apiserver.ref.add", only["type"]);
        Assert.True(JsonNode.DeepEquals(only.Json, new JsonObject { ["kind"] = "Dataset", ["namespace"] = "default", ["name"] = "near", ["apiVersion"] = "data.fluid.io/v1alpha1" }));
    }

    [Fact]
    public async Task Source_NamespacesBySelector_ANewOneIsWatchedToo()
    {
        await AllowAsync();
        await NamespaceAsync("a");
        var spec = Source(new() { ["uri"] = _world.Receiver.Address.ToString() });
        spec["namespaceSelector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["team"] = "x" } };
        var source = await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", spec);
        Assert.Equal("""["a"]""", source.At("status", "namespaces")!.ToJsonString());
        await NamespaceAsync("b");
        await _world.UntilAsync(async () => (await _world.UntilReadyAsync(EventingKinds.ApiServerSources, "s")).At("status", "namespaces")!.ToJsonString() == """["a","b"]""");
        await _world.CreateAsync(Kinds.Datasets, "outside", []);
        await _world.CreateAsync(Kinds.Datasets, "inside", [], "b");
        await _world.UntilAsync(() => !_world.Receiver.All.IsEmpty);
        Assert.Equal(("inside", "b"), (Assert.Single(_world.Receiver.All)["name"], _world.Receiver.All.Single()["namespace"]));
    }

    [Fact]
    public async Task Source_Changed_WatchesTheNewKindOnly_DeletedNothing()
    {
        await AllowAsync();
        await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", Source(new() { ["uri"] = _world.Receiver.At("/first").ToString() }));
        await _world.ReadyAsync(EventingKinds.ApiServerSources, "other", Source(new() { ["uri"] = _world.Receiver.At("/other").ToString() }));
        await _world.Api.MergePatchAsync(EventingKinds.ApiServerSources, "default", "s",
            """{"spec":{"resources":[{"apiVersion":"data.fluid.io/v1alpha1","kind":"DataLoad"}]}}""", null, _world.Deadline);
        await _world.UntilReadyAsync(EventingKinds.ApiServerSources, "s");
        await _world.CreateAsync(Kinds.Datasets, "d", []);
        await _world.CreateAsync(Kinds.DataLoads, "l", new() { ["dataset"] = new JsonObject { ["name"] = "d", ["namespace"] = "default" } });
        await _world.UntilAsync(() => _world.Receiver.Of("/first").Any() && _world.Receiver.Of("/other").Any());
        Assert.Equal(("DataLoad", "Dataset"), (Assert.Single(_world.Receiver.Of("/first"))["kind"], Assert.Single(_world.Receiver.Of("/other"))["kind"]));

        await _world.Api.DeleteAsync(EventingKinds.ApiServerSources, "default", "s", null, false, _world.Deadline);
        var round = 0;
        await _world.UntilAsync(async () =>
        {
            var before = _world.Receiver.Of("/first").Count();
            var seen = _world.Receiver.Of("/other").Count();
            await _world.CreateAsync(Kinds.DataLoads, $"l{++round}", new() { ["dataset"] = new JsonObject { ["name"] = "d", ["namespace"] = "default" } });
            await _world.CreateAsync(Kinds.Datasets, $"d{round}", []);
            await _world.UntilAsync(() => _world.Receiver.Of("/other").Count() > seen);
            return _world.Receiver.Of("/first").Count() == before;
        });
    }

    [Fact]
    public async Task Source_WithoutRights_SaysWhichAndWatchesNothing_UntilGranted()
    {
        await _world.CreateAsync(EventingKinds.ApiServerSources, "s", Source(new() { ["uri"] = _world.Receiver.Address.ToString() }));
        var source = await _world.UntilReadyAsync(EventingKinds.ApiServerSources, "s", "False");
        Assert.Equal("User system:serviceaccount:default:watcher cannot get, list, watch resource \"datasets\" in API group \"data.fluid.io\" in Namespace \"default\"",
            EventingWorld.Condition(source, "SufficientPermissions").Text("message"));
        await AllowAsync();
        await _world.UntilReadyAsync(EventingKinds.ApiServerSources, "s");
    }

    [Fact]
    public async Task Source_BeforeItsBroker_WaitsForIt()
    {
        await AllowAsync();
        await _world.CreateAsync(EventingKinds.ApiServerSources, "s", Source(BrokerSink()));
        var waiting = await _world.UntilReadyAsync(EventingKinds.ApiServerSources, "s", "False");
        Assert.Equal("NotFound", EventingWorld.Condition(waiting, "SinkProvided").Text("reason"));
        var address = await _world.BrokerAsync();
        var ready = await _world.UntilReadyAsync(EventingKinds.ApiServerSources, "s");
        Assert.Equal(address.ToString(), ready.Text("status", "sinkUri"));
    }

    [Theory]
    [InlineData(500, 1)]
    [InlineData(400, 1)]
    public async Task Sink_RefusesForGood_EventIsLostAfterOneTry(int status, int tries)
    {
        await AllowAsync();
        Answer(_ => status);
        await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", Source(new() { ["uri"] = _world.Receiver.Address.ToString() }));
        await _world.CreateAsync(Kinds.Datasets, "a", []);
        await _world.UntilAsync(() => _world.Eventing.LostBySources == 1);
        Assert.Equal(tries, _world.Receiver.All.Count);
    }

    [Fact]
    public async Task Sink_AwayForAWhile_IsTriedAgainWithTheSameId_AndForLongIsLost()
    {
        await AllowAsync();
        Answer(before => before < 2 ? 503 : 202);
        await _world.ReadyAsync(EventingKinds.ApiServerSources, "s", Source(new() { ["uri"] = _world.Receiver.Address.ToString() }));
        await _world.CreateAsync(Kinds.Datasets, "a", []);
        await _world.UntilAsync(() => _world.Receiver.All.Count == 3);
        Assert.Single(_world.Receiver.All.Select(e => e["id"]).Distinct());
        Assert.Equal(0, _world.Eventing.LostBySources);

        _world.Receiver.All.Clear();
        Answer(_ => 503);
        await _world.CreateAsync(Kinds.Datasets, "b", []);
        await _world.UntilAsync(() => _world.Eventing.LostBySources == 1);
        Assert.Equal(6, _world.Receiver.All.Count);
    }

    private Task NamespaceAsync(string name) => _world.Api.CreateAsync(Kinds.Namespaces, null, new()
    {
        ["metadata"] = new JsonObject { ["name"] = name, ["labels"] = new JsonObject { ["team"] = "x" } },
    }, _world.Deadline);

    private void Answer(Func<int, int> status) => _world.Receiver.Answer = (_, before, response) =>
    {
        response.StatusCode = status(before);
        return Task.CompletedTask;
    };

    private static JsonObject BrokerSink() => new() { ["ref"] = new JsonObject { ["apiVersion"] = "eventing.knative.dev/v1", ["kind"] = "Broker", ["name"] = "b" } };

    private static JsonObject Source(JsonObject sink) => new()
    {
        ["serviceAccountName"] = "watcher",
        ["mode"] = "Resource",
        ["resources"] = new JsonArray(new JsonObject { ["apiVersion"] = "data.fluid.io/v1alpha1", ["kind"] = "Dataset" }),
        ["sink"] = sink,
    };

    private async Task AllowAsync()
    {
        await _world.Api.CreateAsync(Kinds.ClusterRoles, null, new()
        {
            ["metadata"] = new JsonObject { ["name"] = "watcher" },
            ["rules"] = new JsonArray(new JsonObject
            {
                ["apiGroups"] = new JsonArray("data.fluid.io"),
                ["resources"] = new JsonArray("datasets", "dataloads"),
                ["verbs"] = new JsonArray("get", "list", "watch"),
            }),
        }, _world.Deadline);
        await _world.Api.CreateAsync(Kinds.ClusterRoleBindings, null, new()
        {
            ["metadata"] = new JsonObject { ["name"] = "watcher" },
            ["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "ClusterRole", ["name"] = "watcher" },
            ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = "watcher", ["namespace"] = "default" }),
        }, _world.Deadline);
    }
}
