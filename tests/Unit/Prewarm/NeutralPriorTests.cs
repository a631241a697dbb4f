using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class NeutralPriorTests
{
    [Fact]
    public void Format_WrittenAndRead_TheSame_AndWhatIsDamagedIsRefused()
    {
        var bytes = ForecastPriorFormat.Write(ForecastPrior.ReadNeutral());
        var read = ForecastPriorFormat.TryRead(bytes);
        Assert.NotNull(read);
        Assert.Equal(bytes, ForecastPriorFormat.Write(read));
        Assert.Equal(ForecastPrior.Ensemble, read.Networks.Length);
        Assert.Null(ForecastPriorFormat.TryRead([]));
        Assert.Null(ForecastPriorFormat.TryRead(bytes.AsSpan(0, bytes.Length - 1)));
        foreach (var place in new[] { 0, 1, 2, 4, 6, 8, 10 })
        {
            bytes[place]++;
            Assert.Null(ForecastPriorFormat.TryRead(bytes));
            bytes[place]--;
        }

        bytes.AsSpan(^4).Fill(0xff);
        Assert.Null(ForecastPriorFormat.TryRead(bytes));
    }

    [Fact]
    public void Neutral_FirstCallOfANewService_AnotherIsLikelierSoonThanLate()
    {
        var rates = new float[SlotGrid.Count];
        new LearnedForecast(1, ForecastPrior.ReadNeutral()).Arrive(0, 1e6, rates);
        Assert.True(rates[SlotGrid.Find(60)] > rates[SlotGrid.Find(3600)] + 1);
        Assert.True(rates[SlotGrid.Find(3600)] > rates[SlotGrid.Find(40000)]);
        Assert.InRange(MathF.Exp(rates[SlotGrid.Find(60)]), 1f / 1000, 1f / 20);
    }

    [Fact]
    public void Neutral_MemorylessTraffic_CloseToTheOptimum()
    {
        var random = new Random(9);
        ServiceTrace[] traces = [.. Enumerable.Range(0, 6).Select(s =>
        {
            var at = 0.0;
            double[] calls = [.. Enumerable.Range(0, 400).Select(_ => at += -60 * Math.Pow(3, s) * Math.Log(1 - random.NextDouble()))];
            return new ServiceTrace($"s{s}", 0, calls[^1], calls);
        })];
        foreach (var patience in new[] { 100.0, 1000, 10000 })
        {
            var optimum = traces.Sum(t => Math.Min((t.Arrivals[^1] - t.Arrivals[0]) / (t.Arrivals.Length - 1), patience) * (t.Arrivals.Length - 1));
            Assert.InRange(Cost(traces, ForecastPrior.ReadNeutral(), patience) / optimum, 0.98, 1.05);
        }
    }

    private static double Cost(ServiceTrace[] traces, ForecastPrior prior, double patience = 600)
    {
        PolicyScore[] scores = [new("learned", "")];
        new Backtest(traces, null, null).RunLearned([.. Enumerable.Range(0, traces.Length)], prior, scores, [patience], 1);
        return scores[0].ColdExcludingFirst * patience + scores[0].IdleSeconds;
    }
}
