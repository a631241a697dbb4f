using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>What a model that nothing is known of gets, of many kinds of habits: in its first gaps never more cost than Knative's default has.</summary>
public sealed class NewModelTests
{
    private const int Calls = 8;

    [Theory]
    [InlineData(60)]
    [InlineData(300)]
    [InlineData(600)]
    [InlineData(3600)]
    [InlineData(14400)]
    public void RunLearned_FirstGapsOfANewModel_CostNoMoreThanKnativesDefault(double patience)
    {
        var traces = Kinds().SelectMany(kind => Enumerable.Range(0, 12).Select(i => Trace(kind.Name, kind.Gap, i))).ToArray();
        PolicyScore[] learned = [new("learned", "")];
        var backtest = new Backtest(traces, null, null);
        backtest.RunLearned([.. Enumerable.Range(0, traces.Length)], ForecastPrior.ReadNeutral(), learned, [patience], 1);
        var knative = backtest.Run("knative", "90", () => new FixedKeepAlive(FixedKeepAlive.Knative));
        Assert.InRange(Cost(learned[0], patience) / Cost(knative, patience), 0, 1);
    }

    private static double Cost(PolicyScore score, double patience) => score.ColdExcludingFirst + (score.IdleSeconds / patience);

    private static IEnumerable<(string Name, Func<Random, int, double> Gap)> Kinds() =>
    [
        ("minutes", (r, _) => -120 * Math.Log(1 - r.NextDouble())),
        ("half hours", (r, _) => -1800 * Math.Log(1 - r.NextDouble())),
        ("days", (r, _) => -86400 * Math.Log(1 - r.NextDouble())),
        ("hourly timer", (r, _) => 3600 + r.NextDouble()),
        ("bursts", (r, i) => i % 4 == 3 ? 7200 + (3600 * r.NextDouble()) : 5 + (20 * r.NextDouble())),
        ("mornings", (r, _) => 86400 + (600 * (r.NextDouble() - 0.5))),
        ("heavy tail", (r, _) => 20 * Math.Pow(1 - r.NextDouble(), -1.1)),
    ];

    private static ServiceTrace Trace(string name, Func<Random, int, double> gap, int number)
    {
        var random = new Random(number);
        var at = 1e6 + (number * 37_000) + (name.Length * 4111);
        double[] calls = [at, .. Enumerable.Range(0, Calls - 1).Select(i => at += gap(random, i))];
        return new($"{name}-{number}", 0, calls[^1], calls);
    }
}
