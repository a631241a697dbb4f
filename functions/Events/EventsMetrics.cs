using Prometheus;

namespace Prewarm.Functions.Events;

internal static class EventsMetrics
{
    private static readonly Counter Total = Metrics.CreateCounter(
        "prewarm_events_total", "Events received, by source (oss, cluster, ...) and what became of them.", "source", "outcome");

    /// <param name="source">The route's name, never text from the event: labels stay bounded.</param>
    public static void Count(string source, string outcome) => Total.WithLabels(source, outcome).Inc();
}
