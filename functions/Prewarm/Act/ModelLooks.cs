using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Prewarm;

/// <summary>Looks at each model that serves: what has come, what that foretells at the prices that the budgets have come to, and what its own plan asks for.</summary>
internal sealed class ModelLooks(IArrivals arrivals, MemoryStore memories, FleetForecast forecast, PrewarmOptions options)
{
    // As many as a window that a person gives may have: what is learned comes from events, and nobody vouches for each.
    private const int MostLearned = 1000;

    private readonly BudgetPrices _prices = new(options);
    private readonly BudgetPrices _cachePrices = new(options, cache: true);

    /// <summary>Null: nothing of it serves.</summary>
    public ModelLook? Of(CachedModel model, PrewarmStatus told, DaySpending spending, DateTimeOffset now)
    {
        var serving = model.Status?.Versions?.FindLast(v => v.State == "Serving");
        if (model.Spec is not { } spec || model.Metadata.DeletionTimestamp is not null || serving?.Revision is not { } revision || model.Status?.Url is null)
        {
            return null;
        }

        var key = model.Key();
        var (recent, memory, others) = (arrivals.Recent(key), memories.Of(key), spending.Others(key, told));
        var price = _prices.Of(key, spec.Prewarm.Budget, told, others.Pods, now);
        var (plan, policy) = Plan(model, memory, recent, price, now);
        return new(model, serving, revision, memory, recent, told, others, plan)
        {
            Policy = policy,
            Price = price,
            CachePrice = _cachePrices.Of(key, spec.Prewarm.Budget, told, others.Used, now),
            WorkersBack = Back(model, serving, plan.Ahead),
        };
    }

    /// <summary>Forgets models that are no more.</summary>
    public void Keep(IReadOnlyCollection<ModelKey> models)
    {
        _prices.Keep(models);
        _cachePrices.Keep(models);
    }

    /// <summary>Cache workers that would let a model's held pods read their weights within the time that they have to start; null: those that there are will do.</summary>
    public int? CacheWorkers(ModelLook look, int pods)
    {
        var wanted = Workers(look.Spec, look.Serving, pods);
        return pods > 0 && wanted > WarmObjects.Workers(look.Model, look.Serving) ? wanted : null;
    }

    /// <summary>The same for pods that are expected, within what a person allows and as many copies as have room at all; one reads in any case; where workers are still there, those. Null: <c>spec.cache.replicas</c>.</summary>
    private int? Back(CachedModel model, VersionStatus serving, int pods)
    {
        if (model.Status!.Locality is { Workers: > 0 })
        {
            return serving.Workers;
        }

        var (cache, most) = (model.Spec!.Cache, model.Spec.Prewarm.MaxCacheWorkers ?? 0);
        var room = Math.Min(options.CacheGb ?? double.PositiveInfinity, options.NamespaceCacheGb.TryGetValue(model.Metadata.Namespace ?? "", out var limit) ? limit : double.PositiveInfinity);
        if (cache.Copies is null && serving.Bytes is > 0 and var bytes)
        {
            most = (int)Math.Min(most, room * 1e9 / bytes);
        }

        var scale = Whole(model.Spec.Serving.Predictor?["maxReplicas"]) ?? int.MaxValue;
        var wanted = Math.Min(most, Workers(model.Spec.Prewarm, serving, Math.Clamp(pods, 1, scale)));
        return wanted > cache.Replicas ? wanted : null;
    }

    private int Workers(PrewarmSpec spec, VersionStatus serving, int pods) =>
        PodCount.CacheWorkers(pods * (serving.Bytes ?? 0) / 1e9, Math.Max(1, spec.PodLeadSeconds), options.NodeGbs, most: 1000);

    /// <summary>What the model is to have now, and by whose windows.</summary>
    private (PrewarmPlan Plan, string? Policy) Plan(CachedModel model, ServiceMemory? memory, IReadOnlyList<ArrivalMinute> recent, double price, DateTimeOffset now)
    {
        var spec = model.Spec!.Prewarm;
        Span<ReadyWindow> windows = stackalloc ReadyWindow[GapPolicy.MostWindows];
        var (count, policy) = spec.Patience > 0 && memory is { Seen: > 0 } ? forecast.Plan(MemoryStore.Key(model.Key()), memory, spec.Patience, price, windows) : (0, null);
        return (PrewarmPlanner.Plan(spec, windows[..count], ModelLook.LastOf(recent, memory), Pods(model, recent), now, memory?.Lead(pod: false) ?? 0, memory?.Lead(pod: true) ?? 0), policy);
    }

    /// <summary>Little's law over the busiest of the last minutes with calls.</summary>
    private static int Pods(CachedModel model, IReadOnlyList<ArrivalMinute> recent)
    {
        var minutes = recent.TakeLast(60).ToList();
        var served = minutes.Sum(m => m.Served);
        if (served == 0)
        {
            return 1;
        }

        var predictor = model.Spec!.Serving.Predictor;
        return Math.Min(MostLearned, PodCount.Pods(minutes.Max(m => m.Count) / 60.0, minutes.Sum(m => m.ServiceSeconds) / served, Whole(predictor?["containerConcurrency"]) ?? 100, Whole(predictor?["maxReplicas"]) ?? 0));
    }

    private static int? Whole(JsonNode? node) => node is JsonValue value && value.TryGetValue<int>(out var number) && number > 0 ? number : null;
}
