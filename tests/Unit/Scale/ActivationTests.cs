using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

/// <summary>Activations from the watches to the status, the Event and the repair, on the API server.</summary>
public sealed class ActivationTests : IAsyncLifetime
{
    private static readonly ResourceType<JsonObject> s_events = new("", "v1", "events", "Event", ClusterJson.Default.JsonObject);
    private readonly ScaleWorld _world = new();
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private Activations _activations = null!;

    public ValueTask InitializeAsync() => _world.Server.StartAsync();

    public ValueTask DisposeAsync()
    {
        _lifetime.StopApplication();
        return _world.DisposeAsync();
    }

    [Fact]
    public async Task Wake_OfAWarmModel_LocalOnStatusAndEventBeforeThePodIsReady_ThenItsTimeLine()
    {
        var key = await StartAsync();
        await _world.AutoscalerAsync("bloom", "False", "NoTraffic", 0, 0);
        var since = ScaleWorld.Stamp(TimeProvider.System.GetUtcNow());
        await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0, since: since);
        var told = await UntilAsync(key, a => a.Phase == "Waking");
        Assert.Equal(("Local", "CopyOnEveryWorker", "v1", ScaleWorld.Revision("bloom")), (told.Verdict, told.Reason, told.Version, told.Revision));
        Assert.EndsWith(since, told.Id, StringComparison.Ordinal);
        Assert.Null(told.Phases);
        Assert.Equal("Normal", Assert.Single(await EventsAsync("ActivationLocal")).Text("type"));

        await PodAsync("node-1", ready: false);
        Assert.Equal("Local", (await UntilAsync(key, a => a.Node == "node-1")).Verdict);
        await PodAsync("node-1", ready: true);
        await _world.AutoscalerAsync("bloom", "True", null, 1, 1);
        var done = await UntilAsync(key, a => a.Phase == "Ready");
        Assert.Equal(["signal", "verdict", "scheduled", "image", "load", "ready", "total"], done.Phases!.Select(p => p.Name));
        Assert.Equal((told.Id, "Local"), (done.Id, done.Verdict));
        Assert.Single(await EventsAsync("ActivationReady"));
        // The line's part of the status stays as it was.
        Assert.Equal("v1", (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!.Status!.Version);
        Assert.Empty((await _world.Api.ListAsync(Kinds.DataLoads, key.Namespace, null, _world.Deadline)).Items);
    }

    [Fact]
    public async Task Wake_OnANodeWithoutWorker_TurnsToRemoteWhenThePodIsBound()
    {
        var key = await StartAsync();
        await _world.Api.EnsureAsync(Kinds.Nodes, new() { ["metadata"] = new JsonObject { ["name"] = "node-9" }, ["spec"] = new JsonObject() }, _world.Deadline);
        await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0);
        await UntilAsync(key, a => a.Verdict == "Local");
        await PodAsync("node-9", ready: false);
        var bound = await UntilAsync(key, a => a.Node == "node-9");
        Assert.Equal(("Remote", "PodWithoutWorker"), (bound.Verdict, bound.Reason));
        Assert.Contains("node-9 has no cache worker", bound.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Move", false, true)]
    [InlineData("Move", true, false)]
    [InlineData("Report", false, false)]
    public async Task Wake_OnANodeWithoutWorker_ByPolicyItsPodIsPlacedAnewOnce_BeforeItRuns(string policy, bool started, bool moved)
    {
        var key = await StartAsync(m => m.Spec!.Cache.OnRemote = policy);
        await _world.Api.EnsureAsync(Kinds.Nodes, new() { ["metadata"] = new JsonObject { ["name"] = "node-9" }, ["spec"] = new JsonObject() }, _world.Deadline);
        await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0);
        await UntilAsync(key, a => a.Verdict == "Local");
        await _world.PodAsync("bloom", "node-9", ready: false, started: started);
        var bound = await UntilAsync(key, a => a.Node == "node-9");
        Assert.Equal((Verdict: "Remote", moved), (bound.Verdict, bound.Message!.EndsWith("; the pod is placed anew", StringComparison.Ordinal)));
        var there = await _world.Api.GetAsync(Kinds.Pods, ScaleWorld.Ns, "bloom-p-0", _world.Deadline);
        Assert.Equal(moved, there is null || there.At("metadata", "deletionTimestamp") is not null);
        if (!moved)
        {
            return;
        }

        // Its successor lands there as well: it stays.
        await _world.Api.DeleteAsync(Kinds.Pods, ScaleWorld.Ns, "bloom-p-0", null, true, _world.Deadline);
        await _world.PodAsync("bloom", "node-9", ready: false, "p-1", started: false);
        await UntilAsync(key, a => a.Node == "node-9" && !a.Message!.EndsWith("placed anew", StringComparison.Ordinal));
        Assert.Null((await _world.Api.GetAsync(Kinds.Pods, ScaleWorld.Ns, "bloom-p-1", _world.Deadline)).At("metadata", "deletionTimestamp"));
    }

    [Fact]
    public async Task Wake_AfterAWorkerLostItsBytes_SaysSo_AndOneLoadRepairs()
    {
        var key = await StartAsync();
        await _world.Api.CreateAsync(Kinds.Pods, ScaleWorld.Ns, Worker("node-2"), _world.Deadline);
        await _world.CachedAsync("bloom", "0.62MiB");
        await _world.Server.UntilAsync(() => _world.Board.Of(key).Locality.Reason == "EvictedByWorkerRestart");
        var autoscaler = await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0);
        // The same news by the source, twice and late.
        var told = autoscaler.Deserialize(ScaleJsonContext.Default.PodAutoscaler)!;
        _activations.Take(told, null);
        _activations.Take(told, null);
        var partial = await UntilAsync(key, a => a.Phase == "Waking");
        Assert.Equal(("Partial", "EvictedByWorkerRestart"), (partial.Verdict, partial.Reason));
        Assert.Matches("^evicted: worker on node-2 restarted .* ago, 31 % of 2.00MiB left; a DataLoad brings 1.38MiB back", partial.Message);
        await _world.Server.UntilAsync(async () => (await LoadsAsync()).Count == 1);
        var load = Assert.Single(await LoadsAsync());
        Assert.Equal((ScaleWorld.Dataset("bloom") + "-wake", 3600), (load.Name(), load.Number("spec", "ttlSecondsAfterFinished")));
        // A failed wake that is queued again is a new one, and the running load is enough for both.
        await _world.AutoscalerAsync("bloom", "False", "TimedOut", 0, 0);
        await UntilAsync(key, a => a.Phase == "TimedOut");
        await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0, since: ScaleWorld.Stamp(TimeProvider.System.GetUtcNow().AddMinutes(1)));
        var again = await UntilAsync(key, a => a.Id != partial.Id);
        Assert.Contains("is loading already", again.Message, StringComparison.Ordinal);
        Assert.Single(await LoadsAsync());
        Assert.Equal(2, (await EventsAsync("ActivationPartial")).Count);
    }

    /// <summary>Eight copies at the rate of the last load take longer than the pod's own read of one: the link is the pod's first.</summary>
    [Fact]
    public async Task Wake_WhosePodReadsSooner_TheLoadFollowsItsEnd()
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"], cached: "16.00MiB", change: m => m.Spec!.Cache.Replicas = 8);
        await _world.Api.CreateAsync(Kinds.DataLoads, ScaleWorld.Ns, Json($$$"""
            {"apiVersion":"data.fluid.io/v1alpha1","kind":"DataLoad","metadata":{"name":"last","labels":{"app.kubernetes.io/managed-by":"prewarm"} },"spec":{"dataset":{"name":"{{{ScaleWorld.Dataset("bloom")}}}","namespace":"{{{ScaleWorld.Ns}}}"} } }
            """), _world.Deadline);
        await _world.Api.MergePatchAsync(Kinds.DataLoads, ScaleWorld.Ns, "last", """{"status":{"phase":"Complete","duration":"30m0s","conditions":[]}}""", "status", _world.Deadline);
        await _world.WatchAsync(activations: b => _activations = _world.Judge(b, _lifetime));
        await _world.Server.UntilAsync(() => _world.Board.Facts(key) is { Loads.Count: 1 });
        await _world.CachedAsync("bloom", "0.00B");
        await _world.Server.UntilAsync(() => _world.Board.Of(key).Locality.Locality == Functions.Warm.Locality.Cold);
        await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0);
        var waking = await UntilAsync(key, a => a.Phase == "Waking");
        Assert.EndsWith("it follows", waking.Message, StringComparison.Ordinal);
        Assert.Single(await LoadsAsync());
        await _world.AutoscalerAsync("bloom", "True", null, 1, 1);
        await UntilAsync(key, a => a.Phase == "Ready");
        await _world.Server.UntilAsync(async () => (await LoadsAsync()).Any(l => l.Name() == ScaleWorld.Dataset("bloom") + "-wake"));
    }

    [Theory]
    [InlineData("Unknown", "Queued", 1, 0, "Unknown")]
    [InlineData("Unknown", "Queued", 3, 1, "True")]
    [InlineData("True", null, 4, 1, "True")]
    public async Task FirstDeployAndScaleOut_AreNoActivations(string active, string? reason, int desired, int actual, string initialized)
    {
        var key = await StartAsync();
        var written = await _world.AutoscalerAsync("bloom", active, reason, desired, actual, initialized);
        var autoscaler = written.Deserialize(ScaleJsonContext.Default.PodAutoscaler)!;
        // By the watch or by this: it has been seen.
        Assert.True(_activations.Take(autoscaler, null) is SignalOutcome.Nothing or SignalOutcome.Old);
        await _world.Server.UntilAsync(() => _world.Board.Facts(autoscaler)?.Autoscaler is not null);
        Assert.Empty(await EventsAsync(null));
        Assert.Null(await ReadAsync(key));
    }

    [Fact]
    public async Task TwoReplicas_OneEvent_OneLoad()
    {
        var key = await StartAsync();
        var second = _world.Judge(_world.Board, _lifetime);
        await _world.CachedAsync("bloom", "0.00B");
        await _world.Server.UntilAsync(() => _world.Board.Of(key).Locality.Locality == Functions.Warm.Locality.Cold);
        var autoscaler = (await _world.AutoscalerAsync("bloom", "Unknown", "Queued", 1, 0)).Deserialize(ScaleJsonContext.Default.PodAutoscaler)!;
        Assert.Equal(SignalOutcome.Activated, second.Take(autoscaler, null));
        await UntilAsync(key, a => a.Verdict == "Cold");
        await _world.Server.UntilAsync(async () => (await LoadsAsync()).Count > 0);
        await _world.AutoscalerAsync("bloom", "True", null, 1, 1);
        await UntilAsync(key, a => a.Phase == "Ready");
        Assert.Single(await EventsAsync("ActivationCold"));
        Assert.Single(await LoadsAsync());
    }

    private async Task<ModelKey> StartAsync(Action<CachedModel>? change = null)
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"], change: change);
        await _world.WatchAsync(activations: b => _activations = _world.Judge(b, _lifetime));
        await _world.Server.UntilAsync(() => _world.Board.Of(key).Locality.Locality == Functions.Warm.Locality.Local);
        return key;
    }

    private async Task<ActivationStatus?> ReadAsync(ModelKey key) => (await _world.Api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, _world.Deadline))!.Status!.Activation;

    private Task<ActivationStatus> UntilAsync(ModelKey key, Func<ActivationStatus, bool> done) => _world.UntilAsync(key, done);

    private async Task<IReadOnlyList<JsonObject>> LoadsAsync() => (await _world.Api.ListAsync(Kinds.DataLoads, ScaleWorld.Ns, null, _world.Deadline)).Items;

    private async Task<IReadOnlyList<JsonObject>> EventsAsync(string? reason) =>
        [.. (await _world.Api.ListAsync(s_events, ScaleWorld.Ns, null, _world.Deadline)).Items.Where(e => reason is null || e.Text("reason") == reason)];

    private static JsonObject Worker(string node) => Json($$$"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"w-0","labels":{"role":"jindofs-worker","release":"{{{ScaleWorld.Dataset("bloom")}}}"} },
        "spec":{"nodeName":"{{{node}}}","containers":[{"name":"c","image":"i"}]},
        "status":{"containerStatuses":[{"name":"c","image":"i","imageID":"","ready":true,"restartCount":1,"state":{"running":{"startedAt":"{{{ScaleWorld.Stamp(TimeProvider.System.GetUtcNow())}}}"} } }]} }
        """);

    private Task PodAsync(string node, bool ready) => _world.PodAsync("bloom", node, ready);

    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();
}
