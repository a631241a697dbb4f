using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.ApiServer;

/// <summary>Owner references, propagation policies and the deletion of namespaces.</summary>
public sealed class CollectorTests : IAsyncLifetime
{
    private const string Datasets = "/apis/data.fluid.io/v1alpha1/namespaces/default/datasets";
    private readonly ApiWorld _world = new();

    private KubeApi Api => _world.Api;

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Background_OwnerDeleted_WholeTreeGoes()
    {
        var owner = await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("owner"), _world.Deadline);
        var child = await Child("child", owner);
        await Child("grandchild", child);
        await Child("mine");
        await Api.DeleteAsync(Kinds.Datasets, "default", "owner", null, false, _world.Deadline);
        await _world.UntilAsync(async () => await Names() == "mine");
    }

    [Fact]
    public async Task Child_OfAnOwnerThatNeverWas_Goes()
    {
        var stranger = _world.Dataset("never");
        stranger["metadata"]!["uid"] = Guid.NewGuid().ToString();
        await Child("child", stranger);
        await _world.UntilAsync(async () => await Names() == "");
    }

    [Fact]
    public async Task Child_OfAnOwnerReplacedUnderItsName_Goes()
    {
        var owner = await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("owner"), _world.Deadline);
        await Api.DeleteAsync(Kinds.Datasets, "default", "owner", null, false, _world.Deadline);
        await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("owner"), _world.Deadline);
        await Child("child", owner);
        await _world.UntilAsync(async () => await Names() == "owner");
    }

    [Fact]
    public async Task Child_OfAKindThatIsNotServed_Stays()
    {
        var child = await Child("child", new JsonObject { ["apiVersion"] = "unknown.dev/v1", ["kind"] = "Thing", ["metadata"] = new JsonObject { ["name"] = "t", ["uid"] = "1" } });
        await Child("marker");
        var other = _world.Dataset("never");
        other["metadata"]!["uid"] = Guid.NewGuid().ToString();
        await Child("last", other);
        await _world.UntilAsync(async () => await Names() == "child marker");
        Assert.Equal("child", child.Name());
    }

    [Fact]
    public async Task Child_OfTwoOwners_KeepsTheOneThatIsLeft()
    {
        var one = await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("one"), _world.Deadline);
        var two = await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("two"), _world.Deadline);
        await Child("child", one, two);
        await Api.DeleteAsync(Kinds.Datasets, "default", "one", null, false, _world.Deadline);
        await _world.UntilAsync(async () => (await Get("child"))!.At("metadata", "ownerReferences") is JsonArray { Count: 1 });
        Assert.Equal("two", (await Get("child"))!.At("metadata", "ownerReferences")![0].Text("name"));
    }

    [Fact]
    public async Task Foreground_OwnerWaitsForBlockingChildren()
    {
        var owner = await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("owner"), _world.Deadline);
        await Held("child", ["x.dev/hold"], owner);
        await Delete("owner", "Foreground");
        await _world.UntilAsync(async () => (await Get("child"))!.Deleting());
        Assert.True((await Get("owner"))!.Deleting());
        await Api.MergePatchAsync(Kinds.Datasets, "default", "child", """{"metadata":{"finalizers":null}}""", null, _world.Deadline);
        await _world.UntilAsync(async () => await Names() == "");
    }

    [Fact]
    public async Task Orphan_ChildStaysWithoutTheReference()
    {
        var owner = await Api.CreateAsync(Kinds.Datasets, "default", _world.Dataset("owner"), _world.Deadline);
        await Child("child", owner);
        await Delete("owner", "Orphan");
        await _world.UntilAsync(async () => await Names() == "child");
        Assert.Null((await Get("child"))!.At("metadata", "ownerReferences"));
    }

    [Fact]
    public async Task Namespace_Deleted_GoesWithItsLastObjectAndTakesNoNewOnes()
    {
        var type = new ResourceType<JsonObject>("", "v1", "namespaces", "Namespace", ClusterJson.Default.JsonObject, false);
        await Api.CreateAsync(type, null, new() { ["metadata"] = new JsonObject { ["name"] = "demo" } }, _world.Deadline);
        var held = _world.Dataset("held");
        held["metadata"]!["finalizers"] = new JsonArray("x.dev/hold");
        await Api.CreateAsync(Kinds.Datasets, "demo", held, _world.Deadline);
        await Api.CreateAsync(Kinds.Secrets, "demo", new() { ["metadata"] = new JsonObject { ["name"] = "s" } }, _world.Deadline);
        await Api.DeleteAsync(type, null, "demo", null, false, _world.Deadline);
        Assert.Null(await Api.GetAsync(Kinds.Secrets, "demo", "s", _world.Deadline));
        Assert.Equal("Terminating", (await Api.GetAsync(type, null, "demo", _world.Deadline)).Text("status", "phase"));
        var e = await Assert.ThrowsAsync<KubeApiException>(() => Api.CreateAsync(Kinds.Datasets, "demo", _world.Dataset("late"), _world.Deadline));
        Assert.Equal(System.Net.HttpStatusCode.Forbidden, e.StatusCode);
        await Api.MergePatchAsync(Kinds.Datasets, "demo", "held", """{"metadata":{"finalizers":null}}""", null, _world.Deadline);
        Assert.Null(await Api.GetAsync(type, null, "demo", _world.Deadline));
    }

    private Task<JsonObject> Child(string name, params JsonObject[] owners) => Held(name, [], owners);

    private Task<JsonObject> Held(string name, string[] finalizers, params JsonObject[] owners)
    {
        var child = _world.Dataset(name);
        child["metadata"]!["finalizers"] = new JsonArray([.. finalizers.Select(f => JsonValue.Create(f))]);
        child["metadata"]!["ownerReferences"] = new JsonArray([.. owners.Select(o => Json.Owner(o)[0]!.DeepClone())]);
        return Api.CreateAsync(Kinds.Datasets, "default", child, _world.Deadline);
    }

    private Task<JsonObject?> Get(string name) => Api.GetAsync(Kinds.Datasets, "default", name, _world.Deadline);

    private async Task<string> Names() => string.Join(' ', (await Api.ListAsync(Kinds.Datasets, "default", null, _world.Deadline)).Items.Select(i => i.Name()));

    private async Task Delete(string name, string policy)
    {
        using var http = _world.Server.CreateClient();
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"{Datasets}/{name}") { Content = JsonContent.Create(new { propagationPolicy = policy }) };
        (await http.SendAsync(request, _world.Deadline)).EnsureSuccessStatusCode();
    }
}
