using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Knative;
using Prewarm.Sandbox.Running;
using Xunit;

namespace Prewarm.Tests.Unit.Knative;

/// <summary>A Knative Service that is no predictor: what an application deploys, and what the functions are.</summary>
public sealed class ContainerTests : IAsyncLifetime
{
    private readonly ServingWorld _world = new();
    private readonly Shown _shown = new();

    public async ValueTask InitializeAsync() => await _world.StartAsync(scaleToZero: 0.5, containers: _shown);

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task ServiceWithoutTraffic_SendsAllToItsLatestRevision_WhichWakesFromZero()
    {
        await ApplyAsync(local: false);
        await ReadyAsync();
        await _world.UntilAsync(async () => (await _world.Api.ListAsync(Kinds.Pods, "default", RevisionController.RevisionLabel, _world.Deadline)).Items.Count == 0);
        Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync("shown.default.example.com")).Status);
        Assert.Equal(2, _shown.Started);
        var pod = (await _world.Api.ListAsync(Kinds.Pods, "default", $"{RevisionController.RevisionLabel}=shown-00001", _world.Deadline)).Items.Single();
        Assert.Equal(("reader", "user-container", "8080"), (pod.Text("spec", "serviceAccountName"),
            pod.At("spec", "containers").Objects().Single().Text("name"), pod.At("spec", "containers").Objects().Single().Text("readinessProbe", "httpGet", "port")));
    }

    [Fact]
    public async Task ClusterLocalService_HasNoNameOutside()
    {
        await ApplyAsync(local: true);
        var service = await ReadyAsync();
        Assert.Equal("http://shown.default.svc.cluster.local", service.Text("status", "url"));
        Assert.Equal(HttpStatusCode.NotFound, (await _world.PredictAsync("shown.default.example.com")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _world.PredictAsync("shown.default.svc.cluster.local")).Status);
    }

    private Task<JsonObject> ApplyAsync(bool local) => _world.Api.CreateAsync(Kinds.Services, "default", new()
    {
        ["apiVersion"] = Kinds.Services.ApiVersion,
        ["kind"] = Kinds.Services.Kind,
        ["metadata"] = new JsonObject { ["name"] = "shown", ["labels"] = local ? new JsonObject { ["networking.knative.dev/visibility"] = "cluster-local" } : [] },
        ["spec"] = new JsonObject
        {
            ["template"] = new JsonObject
            {
                ["spec"] = new JsonObject
                {
                    ["serviceAccountName"] = "reader",
                    ["containers"] = Json.Array([new JsonObject { ["image"] = "shown", ["readinessProbe"] = new JsonObject { ["httpGet"] = new JsonObject { ["path"] = "/" } } }]),
                },
            },
        },
    }, _world.Deadline);

    private async Task<JsonObject> ReadyAsync()
    {
        while (true)
        {
            var service = await _world.Api.GetAsync(Kinds.Services, "default", "shown", _world.Deadline);
            if (service.At("status", "conditions").Objects().Any(c => c.Text("type") == "Ready" && c.Text("status") == "True"))
            {
                return service!;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, _world.Deadline);
        }
    }

    private sealed class Shown : IContainerRuntime
    {
        private int _started;

        public int Started => _started;

        public async Task<IRunningContainer?> StartAsync(JsonObject pod, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _started);
            return await EventDisplay.StartAsync("/dev/null", static () => { }, cancellationToken);
        }
    }
}
