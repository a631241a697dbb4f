using Prometheus;

namespace Prewarm.Functions.Relay;

internal static class RelayMetrics
{
    private static readonly Counter Requests = Metrics.CreateCounter(
        "prewarm_relay_requests_total", "Predictions asked for, by what became of them.", "model", "outcome");

    private static readonly Histogram Overhead = Metrics.CreateHistogram(
        "prewarm_relay_overhead_seconds", "Time from a request's arrival to its leaving for the gateway.",
        new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.00005, 2, 14) });

    /// <param name="model">Namespace/name; empty when no model was found, so that callers cannot grow the label set.</param>
    public static void Count(string model, string outcome) => Requests.WithLabels(model, outcome).Inc();

    public static void Left(TimeSpan overhead) => Overhead.Observe(overhead.TotalSeconds);
}
