using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Hosting;
using Xunit;

namespace Prewarm.Tests.Unit.Scale;

public sealed class ScaleViewTests : IAsyncLifetime
{
    private readonly ScaleWorld _world = new();

    public ValueTask InitializeAsync() => _world.Server.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Of_ModelFromZeroToUp_FollowsTheLevel_AndTellsEveryChange()
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"]);
        await _world.WatchAsync();
        Assert.Equal(ScaleLevel.Unknown, _world.Board.Of(key).Level);
        foreach (var (active, reason, desired, actual, level) in ((string, string?, int, int, ScaleLevel)[])[
            ("False", "NoTraffic", 0, 0, ScaleLevel.Zero), ("Unknown", "Queued", 1, 0, ScaleLevel.Waking), ("True", null, 1, 1, ScaleLevel.Up), ("False", "TimedOut", 0, 0, ScaleLevel.Failed)])
        {
            await _world.AutoscalerAsync("bloom", active, reason, desired, actual);
            await UntilAsync(key, s => s.Level == level && s.ReadyPods == actual && s.Revision == "bloom-predictor-00001");
        }

        Assert.Equal(ModelScale.Unseen, _world.Board.Of(new("default", "nobody")));
    }

    [Fact]
    public async Task Locality_FollowsCacheAndNodes()
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"]);
        await _world.AutoscalerAsync("bloom", "False", "NoTraffic", 0, 0);
        await _world.WatchAsync();
        await UntilAsync(key, s => s.Locality.Locality == Locality.Local);
        await _world.CachedAsync("bloom", "0.50MiB");
        await UntilAsync(key, s => s.Locality is { Locality: Locality.Partial, Reason: "Evicted" } && s.Locality.Message.Contains("25 % of 2.00MiB left", StringComparison.Ordinal));
        await _world.CachedAsync("bloom", "0.00B");
        await UntilAsync(key, s => s.Locality.Locality == Locality.Cold);
        await _world.CachedAsync("bloom", "2.00MiB");
        await UntilAsync(key, s => s.Locality.Locality == Locality.Local);
        var before = _world.Board.Of(key);
        await _world.Api.MergePatchAsync(Kinds.Nodes, null, "node-1", """{"metadata":{"labels":{"heartbeat":"1"}}}""", null, _world.Deadline);
        foreach (var node in (string[])["node-1", "node-2"])
        {
            Assert.Same(before, _world.Board.Of(key));
            await _world.Api.DeleteAsync(Kinds.Nodes, null, node, null, true, _world.Deadline);
        }

        await UntilAsync(key, s => s.Locality is { Locality: Locality.Remote, Reason: "NoWorkerNode" });
    }

    [Fact]
    public async Task Locality_EveryNodeWithAWorkerCordoned_IsRemoteAndSaysWhatToDo()
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"]);
        await _world.AutoscalerAsync("bloom", "False", "NoTraffic", 0, 0);
        await _world.Api.EnsureAsync(Kinds.Nodes, new() { ["metadata"] = new JsonObject { ["name"] = "node-3" }, ["spec"] = new JsonObject() }, _world.Deadline);
        await _world.WatchAsync();
        await UntilAsync(key, s => s.Locality.Locality == Locality.Local);
        foreach (var node in (string[])["node-1", "node-2"])
        {
            Assert.Equal(Locality.Local, _world.Board.Of(key).Locality.Locality);
            await _world.Api.MergePatchAsync(Kinds.Nodes, null, node, """{"spec":{"unschedulable":true}}""", null, _world.Deadline);
        }

        await UntilAsync(key, s => s.Locality is { Locality: Locality.Remote, Reason: "NoOpenWorkerNode" } && s.Locality.Message.Contains("kubectl uncordon node-1", StringComparison.Ordinal));
        // A pod that is on one of them reads there as ever.
        await _world.PodAsync("bloom", "node-1", ready: true);
        await UntilAsync(key, s => s.Locality.Locality == Locality.Local);
    }

    [Fact]
    public async Task Serverless_SaysThatAffinityDoesNotApply()
    {
        var key = await _world.ServeAsync("bloom", ["node-1", "node-2"], platform: "ACKServerless");
        await _world.WatchAsync();
        await UntilAsync(key, s => s.Locality is { Locality: Locality.Remote, Reason: "EciSidecar" } && s.Locality.Message.Contains("node affinity does not apply", StringComparison.Ordinal));
    }

    [Fact]
    public async Task WithoutRights_SaidOnce_AndStaysUnseen()
    {
        await _world.Api.CreateAsync(Kinds.ServiceAccounts, "default", new() { ["metadata"] = new JsonObject { ["name"] = "nobody" } }, _world.Deadline);
        using var http = _world.Server.Http();
        using var answer = await http.PostAsync(new Uri("api/v1/namespaces/default/serviceaccounts/nobody/token", UriKind.Relative),
            new StringContent("""{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}""", System.Text.Encoding.UTF8, "application/json"), _world.Deadline);
        using var api = _world.Server.Client(JsonNode.Parse(await answer.Content.ReadAsStringAsync(_world.Deadline)).Text("status", "token")!);
        var log = new LogFake();
        using var factory = LoggerFactory.Create(b => b.AddProvider(log));
        await _world.WatchAsync(api, factory.CreateLogger<ScaleWatch>());
        // Retries go on; a kind is said once.
        await _world.Server.UntilAsync(() => log.Lines.Count(l => l.Contains("PodAutoscaler", StringComparison.Ordinal)) == 1 && log.Lines.Count(l => l.Contains("Dataset", StringComparison.Ordinal)) == 1);
        Assert.Contains(log.Lines, l => l.Contains("cannot list resource \"podautoscalers\"", StringComparison.Ordinal));
        Assert.Same(ModelScale.Unseen, _world.Board.Of(new("default", "bloom")));
    }

    [Fact]
    public void TenThousandModels_OneChange_CostsNoSearch()
    {
        var board = new ScaleBoard(TimeProvider.System);
        var models = Enumerable.Range(0, 10_000).Select(i => { var m = ScaleWorld.Model($"m{i}"); m.Status = ScaleWorld.Status($"m{i}"); return m; }).ToList();
        board.Take(models);
        board.Take(null, new Delta<PodAutoscaler>.Replace([.. models.Select(m => Autoscaler(m.Metadata.Name!, "False", 0))]));
        Assert.All(models, m => Assert.Equal(ScaleLevel.Zero, board.Of(m.Key()).Level));
        var began = TimeProvider.System.GetTimestamp();
        const int changes = 2_000;
        for (var i = 0; i < changes; i++)
        {
            var next = board.NextChange;
            board.Take(null, new Delta<PodAutoscaler>.Upsert("default", $"m{i}-predictor-00001", Autoscaler($"m{i}", "True", 1)));
            Assert.True(next.IsCompleted);
            Assert.Equal(ScaleLevel.Up, board.Of(new("default", $"m{i}")).Level);
        }

        // Looking at all models for each change would be 20 million looks.
        Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 0, 2);
    }

    private static PodAutoscaler Autoscaler(string model, string active, int actual) => new()
    {
        Metadata = new() { Name = ScaleWorld.Revision(model), Namespace = "default", Labels = new() { [ServingKinds.ServiceLabel] = model, [ScaleKinds.RevisionLabel] = ScaleWorld.Revision(model) } },
        Status = new() { DesiredScale = actual, ActualScale = actual, Conditions = [new() { Type = "Active", Status = active, Reason = "NoTraffic" }] },
    };

    private async Task UntilAsync(ModelKey key, Func<ModelScale, bool> done)
    {
        while (true)
        {
            var next = _world.Board.NextChange;
            if (done(_world.Board.Of(key)))
            {
                return;
            }

            await next.WaitAsync(_world.Deadline);
        }
    }
}
