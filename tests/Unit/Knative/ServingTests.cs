using System.Net;
using Prewarm.Sandbox.Cluster;
using Xunit;
using static Prewarm.Tests.Unit.Knative.ServingWorld;

namespace Prewarm.Tests.Unit.Knative;

public sealed class ServingTests : IAsyncLifetime
{
    private readonly ServingWorld _world = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task FirstRevision_TakesAllTraffic_AndItsTagAnswers()
    {
        await _world.StartAsync();
        await _world.ServeAsync("good");
        var service = await _world.UntilAsync(s => Condition(s, "Ready") == "True");
        Assert.Equal("http://bloom.default.example.com", service.Text("status", "url"));
        Assert.Equal("bloom-predictor-00001", Component(service).Text("latestReadyRevision"));
        Assert.Equal("bloom-predictor-00001", Component(service).Text("latestRolledoutRevision"));
        Assert.Equal("100", Component(service).At("traffic").Objects().Single().Text("percent"));
        Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync()).Status);
        Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync("latest-bloom-predictor.default.example.com")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _world.PredictAsync("other.default.example.com")).Status);
        var revision = await _world.Api.GetAsync(Kinds.Revisions, "default", "bloom-predictor-00001", _world.Deadline);
        Assert.Equal("a", revision.Text("metadata", "annotations", "team"));
        Assert.Equal("0", revision.Text("metadata", "annotations", "autoscaling.knative.dev/min-scale"));
    }

    [Fact]
    public async Task BrokenRevision_AtCanaryZero_IsNotReady_AndTheOldOneServes()
    {
        await _world.StartAsync();
        await _world.ServeAsync("good");
        await _world.UntilAsync(s => Condition(s, "Ready") == "True");
        await _world.ServeAsync("bad", canary: 0);
        var service = await _world.UntilAsync(s => Component(s).Text("latestCreatedRevision") == "bloom-predictor-00002" && Condition(s, "LatestDeploymentReady") == "False");
        Assert.Equal("bloom-predictor-00001", Component(service).Text("latestReadyRevision"));
        Assert.Equal("BlockedByFailedLoad", service.Text("status", "modelStatus", "transitionStatus"));
        var revision = await _world.Api.GetAsync(Kinds.Revisions, "default", "bloom-predictor-00002", _world.Deadline);
        Assert.Equal("ExitCode1", revision.At("status", "conditions").Objects().First(c => c.Text("type") == "Ready").Text("reason"));
        Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync()).Status);
    }

    [Fact]
    public async Task GoodRevision_AtCanaryZero_IsReachedByItsTagOnly_AndPromotionMovesTheTraffic()
    {
        await _world.StartAsync();
        await _world.ServeAsync("good");
        await _world.UntilAsync(s => Condition(s, "Ready") == "True");
        // Another template with the same files: any change of an annotation makes a revision.
        await _world.Api.MergePatchAsync(Kinds.InferenceServices, "default", "bloom",
            """{"metadata":{"annotations":{"team":"b"}},"spec":{"predictor":{"canaryTrafficPercent":0}}}""", null, _world.Deadline);
        var service = await _world.UntilAsync(s => Component(s).Text("latestReadyRevision") == "bloom-predictor-00002");
        var traffic = Component(service).At("traffic").Objects().ToDictionary(t => t.Text("revisionName")!);
        Assert.Equal(("0", "latest"), (traffic["bloom-predictor-00002"].Text("percent"), traffic["bloom-predictor-00002"].Text("tag")));
        Assert.Equal(("100", "prev"), (traffic["bloom-predictor-00001"].Text("percent"), traffic["bloom-predictor-00001"].Text("tag")));
        Assert.Equal("bloom-predictor-00001", Component(service).Text("latestRolledoutRevision"));
        await _world.Api.MergePatchAsync(Kinds.InferenceServices, "default", "bloom", """{"spec":{"predictor":{"canaryTrafficPercent":null}}}""", null, _world.Deadline);
        service = await _world.UntilAsync(s => Component(s).Text("latestRolledoutRevision") == "bloom-predictor-00002");
        Assert.Equal("bloom-predictor-00001", Component(service).Text("previousRolledoutRevision"));
        // Traffic alone made no third revision.
        Assert.Equal(2, (await _world.Api.ListAsync(Kinds.Revisions, "default", null, _world.Deadline)).Items.Count);
    }

    [Fact]
    public async Task IdleRevision_ScalesToZero_AndARequestWakesIt()
    {
        await _world.StartAsync(scaleToZero: 0.5);
        await _world.ServeAsync("good");
        await _world.UntilAsync(s => Condition(s, "Ready") == "True");
        await _world.UntilAsync(async () => Active(await AutoscalerAsync()) == ("False", "NoTraffic"));
        await _world.UntilAsync(async () => (await _world.Api.ListAsync(Kinds.Pods, "default", "serving.knative.dev/revision", _world.Deadline)).Items.Count == 0);
        Assert.Equal("True", Condition((await _world.Api.GetAsync(Kinds.InferenceServices, "default", "bloom", _world.Deadline))!, "Ready"));
        var bytes = _world.ObjectStore.BytesRead;
        Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync()).Status);
        Assert.Equal("True", (await AutoscalerAsync()).At("status", "conditions").Objects().First(c => c.Text("type") == "ScaleTargetInitialized").Text("status"));
        // The first start filled the worker's cache: the second read nothing.
        Assert.Equal(bytes, _world.ObjectStore.BytesRead);
        Assert.Equal(2, _world.Cluster.Kubelet.Starts.Count);
    }

    [Fact]
    public async Task Mesh_TriesA503Again_AndMayAnswer504WhileThePodWorks()
    {
        await _world.StartAsync();
        await _world.ServeAsync("good");
        await _world.UntilAsync(s => Condition(s, "Ready") == "True");
        // The gateway hears of the route by a watch of its own.
        await _world.UntilAsync(async () => (await _world.PredictAsync()).Status == HttpStatusCode.OK);
        _world.Faults.Pod503 = 1;
        _world.Faults.Retries = 0;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await _world.PredictAsync()).Status);
        _world.Faults.Pod503 = 0.5;
        _world.Faults.Retries = 10;
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync()).Status);
        }

        _world.Faults.Pod503 = 0;
        _world.Faults.Gateway504 = 1;
        Assert.Equal(HttpStatusCode.GatewayTimeout, (await _world.PredictAsync()).Status);
    }

    [Fact]
    public async Task StopAnnotation_TakesTheKnativeServiceAway()
    {
        await _world.StartAsync();
        await _world.ServeAsync("good");
        await _world.UntilAsync(s => Condition(s, "Ready") == "True");
        await _world.ServeAsync("good", stop: true);
        await _world.UntilAsync(s => Condition(s, "Stopped") == "True" && Condition(s, "Ready") == "False");
        await _world.UntilAsync(async () => (await _world.Api.ListAsync(Kinds.Pods, "default", "serving.knative.dev/revision", _world.Deadline)).Items.Count == 0
            && (await _world.Api.ListAsync(Kinds.PodAutoscalers, "default", null, _world.Deadline)).Items.Count == 0);
        await _world.UntilAsync(async () => (await _world.PredictAsync()).Status == HttpStatusCode.NotFound);
    }

    private Task<System.Text.Json.Nodes.JsonObject?> AutoscalerAsync() => _world.Api.GetAsync(Kinds.PodAutoscalers, "default", "bloom-predictor-00001", _world.Deadline);

    private static (string?, string?) Active(System.Text.Json.Nodes.JsonObject? autoscaler)
    {
        var active = autoscaler.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == "Active");
        return (active.Text("status"), active.Text("reason"));
    }
}
