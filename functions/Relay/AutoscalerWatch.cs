using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Scale;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The scale of every model from its PodAutoscaler, for a relay that nobody else tells: level and pods of the Revision that its serving version has, and the locality that the line last wrote into the status.
/// </summary>
internal sealed class AutoscalerWatch(IKubeApi api, ICatalog catalog, IOptions<CatalogOptions> options, TimeProvider time, ILogger<AutoscalerWatch> logger) : BackgroundService, IScaleView
{
    private static readonly ResourceType<AutoscalerObject> s_kind = new("autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers", "PodAutoscaler", AutoscalerJsonContext.Default.AutoscalerObject);

    private readonly ConcurrentDictionary<ModelKey, AutoscalerObject> _byRevision = new();
    private readonly Channel<bool> _dirty = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile FrozenDictionary<ModelKey, ModelScale> _scales = FrozenDictionary<ModelKey, ModelScale>.Empty;
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task NextChange => _changed.Task;

    public ModelScale Of(ModelKey model) => _scales.TryGetValue(model, out var scale) ? scale : ModelScale.Unseen;

    /// <summary>Pure: what a PodAutoscaler says.</summary>
    internal static ScaleLevel Level(AutoscalerStatus? status)
    {
        var active = status?.Conditions?.Find(c => c.Type == "Active");
        return (active?.Status, active?.Reason) switch
        {
            ("True", _) => ScaleLevel.Up,
            ("False", "TimedOut") => ScaleLevel.Failed,
            ("False", _) => ScaleLevel.Zero,
            // The first deployment also passes through Queued.
            ("Unknown", "Queued") when status!.Conditions!.Exists(c => c is { Type: "ScaleTargetInitialized", Status: "True" }) => ScaleLevel.Waking,
            _ => ScaleLevel.Unknown,
        };
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        IReadOnlyList<string?> scopes = options.Value.Namespaces is { Count: > 0 } some ? [.. some] : [null];
        try
        {
            await Task.WhenAll([.. scopes.Select(ns => FollowAsync(ns, stoppingToken)), FollowCatalogAsync(stoppingToken), BuildAsync(stoppingToken)]);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    private async Task FollowAsync(string? ns, CancellationToken cancellationToken)
    {
        await foreach (var delta in new Reflector<AutoscalerObject>(api, s_kind, ns, "serving.kserve.io/inferenceservice", time, new Random(), logger: logger).RunAsync(cancellationToken))
        {
            switch (delta)
            {
                case Delta<AutoscalerObject>.Replace list:
                    foreach (var gone in _byRevision.Keys.Where(k => ns is null || k.Namespace == ns).Except(list.Items.Select(Key)).ToList())
                    {
                        _byRevision.TryRemove(gone, out _);
                    }

                    foreach (var item in list.Items)
                    {
                        _byRevision[Key(item)] = item;
                    }

                    break;
                case Delta<AutoscalerObject>.Upsert changed:
                    _byRevision[Key(changed.Object)] = changed.Object;
                    break;
                case Delta<AutoscalerObject>.Remove removed:
                    _byRevision.TryRemove(new(removed.Namespace ?? "", removed.Name), out _);
                    break;
            }

            Touch();
        }
    }

    private async Task FollowCatalogAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = catalog.NextChange;
            Touch();
            await next.WaitAsync(cancellationToken);
        }
    }

    private async Task BuildAsync(CancellationToken cancellationToken)
    {
        await foreach (var _ in _dirty.Reader.ReadAllAsync(cancellationToken))
        {
            var before = _scales;
            _scales = catalog.Current.Models.Select(m => (Key: m.Key(), Scale: Read(m)))
                .ToFrozenDictionary(m => m.Key, m => before.TryGetValue(m.Key, out var old) && old == m.Scale ? old : m.Scale);
            // The new promise first: whoever wakes and looks again must not find the old, completed one.
            var changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
            changed.TrySetResult();
        }
    }

    private ModelScale Read(CachedModel model)
    {
        var revision = model.Status?.Versions?.FindLast(v => v.Name == model.Status.Version)?.Revision;
        if (revision is null || !_byRevision.TryGetValue(new(model.Key().Namespace, revision), out var autoscaler))
        {
            return ModelScale.Unseen;
        }

        var told = model.Status!.Locality;
        var locality = Enum.TryParse<Locality>(told?.Verdict, out var verdict) ? verdict : Locality.Unknown;
        return new(Level(autoscaler.Status), autoscaler.Status?.ActualScale ?? 0, revision, new(locality, told?.Reason ?? ""));
    }

    /// <summary>The snapshot is made anew, once for all that has changed meanwhile.</summary>
    private void Touch() => _dirty.Writer.TryWrite(true);

    private static ModelKey Key(AutoscalerObject autoscaler) => new(autoscaler.Metadata.Namespace ?? "", autoscaler.Metadata.Name ?? "");
}
