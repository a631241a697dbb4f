using Prewarm.Functions.Catalog;
using Prometheus;

namespace Prewarm.Functions.Prewarm;

/// <summary>What prewarming does and what comes of it.</summary>
internal static class PrewarmMetrics
{
    private static readonly Counter s_predictions = Metrics.CreateCounter(
        "prewarm_prediction_total", "Holds by what came of them: hit (a call found a pod), late (it came before the pod was there), wasted (no call came).", "result");

    private static readonly Counter s_idle = Metrics.CreateCounter("prewarm_idle_seconds_total", "pod: pod-seconds that models were held for; cache: seconds that a model's cache was kept and no pod held.", "model", "tier");

    private static readonly Gauge s_cache = Metrics.CreateGauge("prewarm_cache_bytes", "All copies of what serves, where the cache is kept; 0: it is let go.", "model");

    private static readonly Gauge s_cacheSpent = Metrics.CreateGauge("prewarm_budget_spent_cache_gb_seconds", "GB-seconds of caches paid for since midnight UTC, where a budget counts them.", "model");

    private static readonly Gauge s_held = Metrics.CreateGauge("prewarm_held_pods", "Pods that are held up ahead of traffic.", "model");

    private static readonly Gauge s_spent = Metrics.CreateGauge("prewarm_budget_spent_pod_seconds", "Pod-seconds held or reserved since midnight UTC.", "model");

    private static readonly Gauge s_regret = Metrics.CreateGauge(
        "prewarm_regret_cold_starts", "Cold starts more than the best fixed keep-alive in hindsight would have had, over the last few hundred gaps; idle time counts at the model's patience.", "model");

    private static readonly Gauge s_policy = Metrics.CreateGauge("prewarm_policy", "1 for the policy whose windows a model follows.", "model", "policy");

    public static void Came(string result) => s_predictions.WithLabels(result).Inc();

    public static void Observe(ModelLook look, PrewarmStatus status, double seconds, DateTimeOffset now)
    {
        var (model, before) = (look.Key, look.Told);
        if (before.Policy is { } old && old != status.Policy)
        {
            s_policy.RemoveLabelled(model.ToString(), old);
        }

        if (status.Policy is { } policy)
        {
            s_policy.WithLabels(model.ToString(), policy).Set(1);
            s_regret.WithLabels(model.ToString()).Set(status.Regret ?? 0);
        }

        s_held.WithLabels(model.ToString()).Set(status.Pods);
        s_spent.WithLabels(model.ToString()).Set(status.PodSeconds);
        s_idle.WithLabels(model.ToString(), "pod").Inc(seconds * status.Pods);
        if (look.Ours)
        {
            var kept = status.Cache == "Kept";
            s_cache.WithLabels(model.ToString()).Set(kept ? look.Gigabytes(now) * 1e9 : 0);
            s_idle.WithLabels(model.ToString(), "cache").Inc(kept && status.Pods == 0 ? seconds : 0);
        }

        if (status.CacheGbSeconds is { } spent)
        {
            s_cacheSpent.WithLabels(model.ToString()).Set(spent);
        }
    }

    /// <summary>A model that is no more has no figures.</summary>
    public static void Forget(ModelKey model, PrewarmStatus? last)
    {
        foreach (var gauge in (Gauge[])[s_held, s_spent, s_regret, s_cache, s_cacheSpent])
        {
            gauge.RemoveLabelled(model.ToString());
        }

        s_idle.RemoveLabelled(model.ToString(), "pod");
        s_idle.RemoveLabelled(model.ToString(), "cache");
        s_policy.RemoveLabelled(model.ToString(), last?.Policy ?? "");
    }
}
