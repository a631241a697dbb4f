namespace Prewarm.Functions.Prewarm;

/// <param name="Message">For the log, with nothing secret in it; empty when all is well.</param>
/// <param name="Odd">Values that are no count: NaN, infinite, below 0, or a histogram.</param>
internal sealed record PrometheusAnswer(PrometheusResult Result, IReadOnlyList<PrometheusSeries> Series, string Message = "", int Odd = 0)
{
    public static PrometheusAnswer No(PrometheusResult result, string message) => new(result, [], message);
}

/// <param name="Points">Unix seconds and counts, as they came.</param>
internal sealed record PrometheusSeries(IReadOnlyDictionary<string, string> Labels, IReadOnlyList<(double At, int Count)> Points);
