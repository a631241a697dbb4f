using Prewarm.Functions.Catalog;
using Prometheus;

namespace Prewarm.Functions.Relay;

internal static class RelayMetrics
{
    private static readonly Counter Requests = Metrics.CreateCounter(
        "prewarm_relay_requests_total", "Predictions asked for, by what became of them.", "model", "outcome");

    private static readonly Histogram Overhead = Metrics.CreateHistogram(
        "prewarm_relay_overhead_seconds", "Time from a request's arrival to its leaving for the gateway, without what it was held.",
        new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.00005, 2, 14) });

    private static readonly Gauge HeldNow = Metrics.CreateGauge("prewarm_relay_held", "Requests that wait for their model to start.", "model");

    private static readonly Histogram HoldTime = Metrics.CreateHistogram(
        "prewarm_relay_hold_seconds", "How long requests were held, however that ended.", new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.05, 2, 15) });

    private static readonly Counter Wakes = Metrics.CreateCounter("prewarm_relay_wakes_total", "Wakes, by how they ended (passed, given_up).", "model", "result");

    private static readonly Counter Resends = Metrics.CreateCounter("prewarm_relay_resends_total", "Requests sent again because nothing of them had reached the model, by why.", "reason");

    /// <param name="model">Namespace/name; empty when no model was found, so that callers cannot grow the label set.</param>
    public static void Count(string model, string outcome) => Requests.WithLabels(model, outcome).Inc();

    /// <summary>The counter of what was forwarded, to be kept: finding it by its labels costs more than counting.</summary>
    public static ICounter Forwarded(ModelKey model) => Requests.WithLabels(model.ToString(), "forwarded");

    public static void Left(TimeSpan overhead) => Overhead.Observe(overhead.TotalSeconds);

    public static void Held(ModelKey model, int requests) => HeldNow.WithLabels(model.ToString()).Set(requests);

    public static void HeldFor(TimeSpan time) => HoldTime.Observe(time.TotalSeconds);

    public static void Woken(ModelKey model, bool passed) => Wakes.WithLabels(model.ToString(), passed ? "passed" : "given_up").Inc();

    public static void Resent(Refusal refusal) => Resends.WithLabels(refusal switch
    {
        Refusal.NotConnected => "not_connected",
        Refusal.QueueFull => "queue_full",
        _ => "not_ready",
    }).Inc();

    public static void Forget(ModelKey model) => HeldNow.RemoveLabelled(model.ToString());
}
