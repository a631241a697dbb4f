using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>The scale of the one model, followed from the miniature's PodAutoscalers by a watch as the functions have it; its locality is what a test says.</summary>
internal sealed class AutoscalerView(IKubeApi api, ModelKey key) : IScaleView
{
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ModelScale _scale = ModelScale.Unseen;

    public LocalityVerdict Locality { get; set; } = new(Functions.Warm.Locality.Local, "test");

    public Task NextChange => _changed.Task;

    public ModelScale Of(ModelKey model) => model == key ? _scale : ModelScale.Unseen;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var seen = ImmutableSortedDictionary<string, JsonObject>.Empty;
        await foreach (var change in new Reflector<JsonObject>(api, Kinds.PodAutoscalers, key.Namespace, null, TimeProvider.System, new Random(3)).RunAsync(cancellationToken))
        {
            seen = change switch
            {
                Delta<JsonObject>.Replace all => all.Items.ToImmutableSortedDictionary(o => o.Name(), o => o),
                Delta<JsonObject>.Upsert one => seen.SetItem(one.Name, one.Object),
                Delta<JsonObject>.Remove gone => seen.Remove(gone.Name),
                _ => seen,
            };
            _scale = seen.IsEmpty ? ModelScale.Unseen : Read(seen.Values.Last());
            var changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.SetResult();
        }
    }

    private ModelScale Read(JsonObject autoscaler)
    {
        string? Status(string type, string field = "status") => autoscaler.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == type).Text(field);
        var level = (Status("Active"), Status("Active", "reason")) switch
        {
            ("True", _) => ScaleLevel.Up,
            ("False", "TimedOut") => ScaleLevel.Failed,
            ("False", _) => ScaleLevel.Zero,
            ("Unknown", "Queued") when Status("ScaleTargetInitialized") == "True" => ScaleLevel.Waking,
            _ => ScaleLevel.Unknown,
        };
        return new(level, autoscaler.Number("status", "actualScale") ?? 0, autoscaler.Name(), Locality);
    }
}
