using Prometheus;

namespace Prewarm.Functions.Prewarm;

/// <summary>What comes of asking a Prometheus.</summary>
internal static class PrometheusMetrics
{
    private static readonly Counter s_polls = Metrics.CreateCounter(
        "prewarm_prometheus_polls_total", "Questions to the Prometheus that counts calls past the relay, by what came of them.", "result");

    private static readonly Counter s_series = Metrics.CreateCounter(
        "prewarm_prometheus_series_total", "Series that it answered, by whose they are: a model's, nobody's; odd: values in them that are no count.", "kind");

    public static void Polled(PrometheusResult result) => s_polls.WithLabels(result switch
    {
        PrometheusResult.Read => "read",
        PrometheusResult.Partial => "partial",
        PrometheusResult.Unreachable => "unreachable",
        PrometheusResult.TimedOut => "timed_out",
        PrometheusResult.Refused => "refused",
        PrometheusResult.TooLarge => "too_large",
        PrometheusResult.TooManySeries => "too_many_series",
        _ => "unreadable",
    }).Inc();

    public static void Answered(int models, int nobodys, int odd)
    {
        s_series.WithLabels("model").Inc(models);
        s_series.WithLabels("nobodys").Inc(nobodys);
        s_series.WithLabels("odd").Inc(odd);
    }
}
