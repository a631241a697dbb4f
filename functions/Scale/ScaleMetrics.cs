using Prewarm.Functions.Catalog;
using Prometheus;

namespace Prewarm.Functions.Scale;

internal static class ScaleMetrics
{
    private static readonly Counter Activations = Metrics.CreateCounter(
        "prewarm_activations_total", "Wakes from zero, by model and by the locality verdict when the wake was seen (Local, Spread, Remote, Partial, Cold, Unknown).", "model", "verdict");

    private static readonly Histogram Phase = Metrics.CreateHistogram(
        "prewarm_coldstart_phase_seconds",
        "What a wake's time went to: signal, verdict, scheduled, mount, image, load, ready, total; first_byte, from ready to the first answer's head, as the relay reports it.",
        ["phase"], new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.005, 2, 18) });

    private static readonly string[] Verdicts = ["Local", "Spread", "Remote", "Partial", "Cold", "Unknown"];

    public static void Activated(ModelKey model, string verdict)
    {
        // A series that begins with 1 has no increase: the others of a model that wakes begin with 0.
        foreach (var one in Verdicts)
        {
            _ = Activations.WithLabels(model.ToString(), one);
        }

        Activations.WithLabels(model.ToString(), verdict).Inc();
    }

    public static void Took(ActivationPhase phase) => Phase.WithLabels(phase.Name).Observe(phase.Seconds);
}
