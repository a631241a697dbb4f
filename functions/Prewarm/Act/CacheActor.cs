using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Lets a cache go and takes it back. The line is the one writer of Fluid's objects: it is asked by a mark on the CachedModel for no workers, and by <see cref="WakeLoads"/> for the DataLoad, as an upload's is made.
/// The Dataset and its volume stay, so a model whose cache is away still answers, slowly.
/// </summary>
internal sealed class CacheActor(IKubeApi api, WakeLoads loads, TimeProvider time, ILogger<CacheActor> logger)
{
    private readonly ConcurrentDictionary<ModelKey, DateTimeOffset> _loading = new();

    /// <summary>Seconds that the load which has just ended took, from asking for it to its bytes being there, once; null: none has ended.</summary>
    public double? Took(CachedModel model, DateTimeOffset now) =>
        model.Status?.Locality?.Verdict is "Local" or "Spread" or "Remote" && _loading.TryRemove(model.Key(), out var since) ? Math.Max(0, (now - since).TotalSeconds) : null;

    /// <returns>Kept or Released.</returns>
    public async Task<string> ActAsync(CachedModel model, PrewarmPlan plan, string revision, CancellationToken cancellationToken)
    {
        var key = model.Key();
        var released = model.Metadata.Annotations?.GetValueOrDefault(Ownership.CacheAnnotation) == "released";
        if (!plan.Cache && !released)
        {
            // What pods read now is not taken from them, and an adopted Dataset is never ours.
            var idle = model.Spec!.Cache.ExistingDataset is null
                && await api.GetAsync(PrewarmKinds.Autoscalers, key.Namespace, revision, cancellationToken) is { Status: { ActualScale: null or 0 } };
            if (!idle)
            {
                return "Kept";
            }

            await MarkAsync(key, "released", cancellationToken);
            _loading.TryRemove(key, out _);
            Log.Cache(logger, key, "released", plan.Why);
            return "Released";
        }

        if (plan.Cache && released)
        {
            await MarkAsync(key, null, cancellationToken);
            _loading[key] = time.GetUtcNow();
            Log.Cache(logger, key, "taken back", plan.Why);
            return "Kept";
        }

        var prepared = plan.Pods > 0 || model.Spec!.Prewarm.Cache == "Release";
        if (plan.Cache && prepared && model.Status?.Locality?.Verdict is "Cold" or "Partial")
        {
            _loading.TryAdd(key, time.GetUtcNow());
            await loads.LoadAsync(key, null, cancellationToken);
        }

        return released ? "Released" : "Kept";
    }

    private Task MarkAsync(ModelKey key, string? value, CancellationToken cancellationToken) =>
        api.MergePatchAsync(PrewarmKinds.Models, key.Namespace, key.Name,
            new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Ownership.CacheAnnotation] = value } } }.ToJsonString(), null, cancellationToken);
}
