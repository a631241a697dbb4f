using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Gateway;
using Prewarm.Tests.Unit.Knative;
using Xunit;
using static Prewarm.Tests.Unit.Knative.ServingWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>A relay in front of the miniature's own gateway, activator, autoscaler and predictors, over a model that really loads and generates.</summary>
internal sealed class MiniatureRelay : IAsyncDisposable
{
    public const string Prompt = """{"prompt":"It was","result_length":3}""";
    private readonly CancellationTokenSource _stop = new();
    private CutLine? _line;
    private Functions.Kubernetes.KubeApi? _api;
    private Task _following = Task.CompletedTask;

    public ServingWorld World { get; } = new();
    public RelayWorld Relay { get; } = new();
    public AutoscalerView View { get; private set; } = null!;
    public GatewayTally Tally => World.Cluster.Gateway.Tally;
    public int Executions => World.Cluster.Kubelet.Executions;
    public int Starts => World.Cluster.Kubelet.Starts.Count;
    public CutLine ApiLine => _line!;

    /// <summary>Starts everything with the model up.</summary>
    public async Task StartAsync(double scaleToZero = 0.5, TimeSpan? look = null, params (string Key, string Value)[] settings)
    {
        await World.StartAsync(scaleToZero, look);
        await World.ServeAsync("good");
        await World.UntilAsync(s => Condition(s, "Ready") == "True");
        // The relay hears of the cluster by a wire of its own.
        _line = new(World.Server.Address);
        _api = World.ClientBy(_line.Address);
        View = new(_api, new("default", "bloom"));
        _following = View.RunAsync(_stop.Token);
        await Relay.RelayAsync(World.Cluster.Gateway.Address.ToString(), RelayRouterTests.Model("default", "bloom"), settings, View);
    }

    public Task AtZeroAsync() => World.UntilAsync(() => Task.FromResult(View.Of(new("default", "bloom")).Level == ScaleLevel.Zero));

    /// <summary>A prediction; its words are checked.</summary>
    public async Task<HttpResponseMessage> PredictAsync(CancellationToken cancellationToken = default, params (string Name, string Value)[] headers)
    {
        var answer = await Relay.AskAsync(Prompt, cancellationToken, headers);
        if (answer.IsSuccessStatusCode)
        {
            var text = await answer.Content.ReadAsStringAsync(cancellationToken);
            Assert.StartsWith("It was", JsonNode.Parse(text).Text("result"), StringComparison.Ordinal);
        }

        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Relay.DisposeAsync();
        await World.DisposeAsync();
        await (_line?.DisposeAsync() ?? ValueTask.CompletedTask);
        _api?.Dispose();
        _stop.Dispose();
    }
}
