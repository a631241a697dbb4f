using Prewarm.Functions.Catalog;
using Prometheus;

namespace Prewarm.Functions.Prewarm;

/// <summary>What prewarming does and what comes of it.</summary>
internal static class PrewarmMetrics
{
    private static readonly Counter s_predictions = Metrics.CreateCounter(
        "prewarm_prediction_total", "Holds by what came of them: hit (a call found a pod), late (it came before the pod was there), wasted (no call came).", "result");

    private static readonly Counter s_idle = Metrics.CreateCounter("prewarm_idle_seconds_total", "Pod-seconds that models were held for.", "model", "tier");

    private static readonly Gauge s_held = Metrics.CreateGauge("prewarm_held_pods", "Pods that are held up ahead of traffic.", "model");

    private static readonly Gauge s_spent = Metrics.CreateGauge("prewarm_budget_spent_pod_seconds", "Pod-seconds held or reserved since midnight UTC.", "model");

    public static void Came(string result) => s_predictions.WithLabels(result).Inc();

    public static void Observe(ModelKey model, PrewarmStatus status, double seconds)
    {
        s_held.WithLabels(model.ToString()).Set(status.Pods);
        s_spent.WithLabels(model.ToString()).Set(status.PodSeconds);
        s_idle.WithLabels(model.ToString(), "pod").Inc(seconds * status.Pods);
    }
}
