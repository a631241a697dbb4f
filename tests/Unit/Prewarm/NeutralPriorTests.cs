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
    public void Learn_BegunWithAnother_StaysNearIt_AndLeavesItAlone()
    {
        var neutral = ForecastPrior.ReadNeutral();
        var before = neutral.Networks[0].Weights.ToArray();
        double[] calls = [.. Enumerable.Range(0, 50).Select(i => i * 3600.0)];
        var taught = ForecastPrior.Learn([new ServiceTrace("s", 0, calls[^1], calls)], neutral.Networks[0].Units, neutral);
        var scratch = ForecastPrior.Learn([new ServiceTrace("s", 0, calls[^1], calls)], neutral.Networks[0].Units);
        Assert.Equal(before, neutral.Networks[0].Weights.ToArray());
        Assert.NotEqual(before, taught.Networks[0].Weights.ToArray());
        Assert.True(Distance(before, taught.Networks[0].Weights) < 0.5 * Distance(before, scratch.Networks[0].Weights));

        // Another size cannot be begun with.
        Assert.Equal(4, ForecastPrior.Learn([], 4, neutral).Networks[0].Units);

        static double Distance(ReadOnlySpan<float> one, ReadOnlySpan<float> other)
        {
            var sum = 0.0;
            for (var i = 0; i < one.Length; i++)
            {
                sum += Math.Pow(one[i] - other[i], 2);
            }

            return sum;
        }
    }

    [Theory]
    [InlineData(0, 7)]
    [InlineData(5, 7)]
    [InlineData(5, 5)]
    public void Neutral_TenMorningsOfOneCallADay_APodBeforeTheNextAndNotForLong(double minutes, int workdays)
    {
        int warm = 0, mornings = 0;
        var idle = 0.0;
        for (var seed = 0; seed < 10; seed++)
        {
            var random = new Random(seed);
            var forecast = new LearnedForecast(1, ForecastPrior.ReadNeutral());
            var rates = new float[SlotGrid.Count];
            var windows = new ReadyWindow[GapPolicy.MostWindows];
            var (last, count, calls) = (0.0, 0, 0);
            for (var day = 20_000; day < 20_028; day++)
            {
                if (day % 7 >= workdays)
                {
                    continue;
                }

                var at = day * 86400.0 + (6 + seed) * 3600 + 777 + (random.NextDouble() * 2 - 1) * minutes * 60;
                if (calls >= 10)
                {
                    var (ready, waste) = PolicyScore.Gap(windows.AsSpan(0, count), at - last);
                    warm += ready ? 1 : 0;
                    idle += waste;
                    mornings++;
                }

                forecast.Arrive(0, at, rates);
                count = WindowRule.Plan(rates, 3600, windows);
                last = at;
                calls++;
            }
        }

        Assert.InRange(warm, 0.75 * mornings, mornings);
        Assert.InRange(idle / mornings, 0, 1800);
    }

    [Theory]
    [InlineData(60)]
    [InlineData(600)]
    public void Neutral_MemorylessTrafficOfOneRate_WithinTwoPercentOfTheBestKeepAlive(double mean)
    {
        var random = new Random(5);
        ServiceTrace[] traces = [.. Enumerable.Range(0, 8).Select(s =>
        {
            var at = 0.0;
            double[] calls = [.. Enumerable.Range(0, 400).Select(_ => at += -mean * Math.Log(1 - random.NextDouble()))];
            return new ServiceTrace($"s{s}", 0, calls[^1], calls);
        })];
        double[] patience = [30, 100, 300, 1000, 3000, 10000];
        var scores = patience.Select(p => new PolicyScore("learned", $"{p}")).ToArray();
        var backtest = new Backtest(traces, null, null);
        backtest.RunLearned([.. Enumerable.Range(0, traces.Length)], ForecastPrior.ReadNeutral(), scores, patience, 1);
        PolicyScore[] keeps = [.. FixedKeepAlive.Settings.Select(s => backtest.Run($"fixed-{s}", $"{s}", () => new FixedKeepAlive(s)))];
        for (var p = 0; p < patience.Length; p++)
        {
            Assert.InRange(Regret.Of(scores[p], patience[p], keeps)!.Percent, -100, 2);
        }
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
            Assert.InRange(Cost(traces, ForecastPrior.ReadNeutral(), patience) / optimum, 0.98, 1.02);
        }
    }

    private static double Cost(ServiceTrace[] traces, ForecastPrior prior, double patience = 600)
    {
        PolicyScore[] scores = [new("learned", "")];
        new Backtest(traces, null, null).RunLearned([.. Enumerable.Range(0, traces.Length)], prior, scores, [patience], 1);
        return scores[0].ColdExcludingFirst * patience + scores[0].IdleSeconds;
    }
}
