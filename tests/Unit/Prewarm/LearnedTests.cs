using System.Text.Json;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class LearnedTests
{
    [Fact]
    public void Plan_KnownHazards_WarmWhereTheyPay()
    {
        var rates = new float[SlotGrid.Count];
        Array.Fill(rates, MathF.Log(0.0001f));
        rates[3] = rates[4] = rates[10] = MathF.Log(0.01f);
        var windows = new ReadyWindow[GapPolicy.MostWindows];
        Assert.Equal(0, WindowRule.Plan(rates, 99, windows));
        Assert.Equal(2, WindowRule.Plan(rates, 101, windows));
        Assert.Equal(new ReadyWindow(SlotGrid.Edges[3], SlotGrid.Edges[5]), windows[0]);
        Assert.Equal(1, WindowRule.Plan(rates, 10001, windows));
    }

    [Fact]
    public void Find_EveryEdge_ItsOwnSlot()
    {
        for (var k = 0; k < SlotGrid.Count; k++)
        {
            Assert.Equal(k, SlotGrid.Find(SlotGrid.Edges[k]));
            Assert.Equal(k, SlotGrid.Find(Math.BitDecrement((double)SlotGrid.Edges[k + 1])));
        }

        Assert.Equal(SlotGrid.Count, SlotGrid.Find(SlotGrid.Edges[^1]));
    }

    [Fact]
    public void Arrive_HourlyTimer_ReadyOnTheHourAndAlmostOnlyThen()
    {
        var forecast = new LearnedForecast(1, ForecastPrior.Learn([], 4));
        var rates = new float[SlotGrid.Count];
        for (var hour = 0; hour < 60; hour++)
        {
            forecast.Arrive(0, hour * 3600 + hour % 5, rates);
        }

        var windows = new ReadyWindow[GapPolicy.MostWindows];
        var count = WindowRule.Plan(rates, 900, windows);
        var (warm, idle) = PolicyScore.Gap(windows.AsSpan(0, count), 3600);
        Assert.True(warm);
        Assert.InRange(idle, 0, 600);
    }

    [Fact]
    public void Arrive_MemoryKeptElsewhere_SameForecastAsItsOwn_AlsoLongAfter()
    {
        var (own, other) = (new LearnedForecast(1, ForecastPrior.ReadNeutral()), new LearnedForecast(0, ForecastPrior.ReadNeutral()));
        var (memory, numbers) = (new ServiceMemory(), new float[GapFeatures.PerGap]);
        var (mine, theirs) = (new float[SlotGrid.Count], new float[SlotGrid.Count]);
        var random = new Random(4);
        for (var at = 1000.0; memory.Seen < 200; at += Math.Exp(random.NextDouble() * 9))
        {
            own.Arrive(0, at, mine);
            other.Arrive(memory, numbers, at, theirs);
            Assert.Equal(mine, theirs);
        }

        // The fleet goes on; the gap's own numbers stay.
        other.Forecast(memory, numbers, mine);
        other.Hear(double.PositiveInfinity, memory.Last + 86400);
        other.Forecast(memory, numbers, theirs);
        Assert.All(Enumerable.Range(0, SlotGrid.Count), k => Assert.Equal(mine[k], theirs[k], 1f));
        other.Forecast(memory, new float[GapFeatures.PerGap], theirs);
        Assert.All(theirs, r => Assert.InRange(r, -20, 1));
    }

    [Fact]
    public void RunLearned_TraceCutShort_SameDecisionsBefore()
    {
        var whole = Traces(3, 5, 60);
        var history = Traces(11, 4, 40);
        foreach (var cut in new[] { 20000.0, 90000 })
        {
            ServiceTrace[] shorter = [.. whole.Select(s => s with { End = Math.Max(cut, 0), Arrivals = [.. s.Arrivals.TakeWhile(a => a <= cut)] })];
            var expected = Decisions(whole, history).Where(d => d.At <= cut).ToArray();
            var actual = Decisions(shorter, history).ToArray();
            Assert.NotEmpty(expected);
            Assert.Equal(expected, actual);
        }
    }

    [Fact]
    public void DecisionLog_Recomputed_SameScore()
    {
        var traces = Traces(5, 5, 60);
        var path = Path.GetTempFileName();
        try
        {
            PolicyScore[] scores = [new("learned", "60"), new("learned", "1000"), new("learned", "30000")];
            using (var log = new DecisionLog(File.Create(path), zipped: false))
            {
                new Backtest(traces, log, null).RunLearned([.. Enumerable.Range(0, traces.Length)], ForecastPrior.Learn([], 0), scores, [60, 1000, 30000], 1);
            }

            var byId = traces.ToDictionary(t => t.Id);
            var cold = scores.ToDictionary(s => s.Setting, _ => (long)traces.Length);
            var idle = scores.ToDictionary(s => s.Setting, _ => 0.0);
            foreach (var line in File.ReadLines(path).Select(l => JsonDocument.Parse(l).RootElement))
            {
                var trace = byId[line.GetProperty("id").GetString()!];
                var at = line.GetProperty("at").GetDouble();
                var index = Array.IndexOf(trace.Arrivals, at);
                var last = index == trace.Arrivals.Length - 1;
                var gap = (last ? trace.End : trace.Arrivals[index + 1]) - at;
                var warm = false;
                foreach (var window in line.GetProperty("windows").EnumerateArray())
                {
                    var (start, end) = (window[0].GetDouble(), window[1].GetDouble());
                    warm |= gap >= start && gap < end;
                    idle[line.GetProperty("setting").GetString()!] += Math.Max(0, Math.Min(end, gap) - start);
                }

                cold[line.GetProperty("setting").GetString()!] += warm || last ? 0 : 1;
            }

            foreach (var score in scores)
            {
                Assert.Equal(score.Cold, cold[score.Setting]);
                Assert.Equal(score.IdleSeconds, idle[score.Setting], 3);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(1500)]
    public void RunLearned_MemorylessTraffic_CloseToTheOptimumAndNeverBelow(double mean)
    {
        // Cost cold × patience + waste has the optimum min(mean, patience) per gap: a policy that beats it looks ahead.
        var random = new Random(1);
        ServiceTrace[] traces = [.. Enumerable.Range(0, 8).Select(i => Exponential(random, $"s{i}", mean, 400))];
        double[] patience = [mean / 5, mean * 5];
        var scores = patience.Select(p => new PolicyScore("learned", $"{p}")).ToArray();
        new Backtest(traces, null, null).RunLearned([.. Enumerable.Range(0, traces.Length)], ForecastPrior.Learn([], 0), scores, patience, 1);
        for (var p = 0; p < patience.Length; p++)
        {
            var perGap = (scores[p].ColdExcludingFirst * patience[p] + scores[p].IdleSeconds) / (scores[p].Arrivals - scores[p].Services);
            Assert.InRange(perGap / Math.Min(mean, patience[p]), 0.95, 1.15);
        }
    }

    [Fact]
    public void RunLearned_MemorylessTrafficAndAHistory_WithinTwoPercentOfTheOptimum()
    {
        var random = new Random(8);
        ServiceTrace[] Make(int services, int count) => [.. Enumerable.Range(0, services).Select(i => Exponential(random, $"s{i}", 60 * Math.Pow(1.4, i % 10), count))];
        var prior = ForecastPrior.Learn(Make(20, 250), 8);
        var traces = Make(10, 500);
        double[] patience = [30, 100, 300, 1000, 3000, 10000];
        var scores = patience.Select(p => new PolicyScore("learned", $"{p}")).ToArray();
        new Backtest(traces, null, null).RunLearned([.. Enumerable.Range(0, traces.Length)], prior, scores, patience, 1);
        for (var p = 0; p < patience.Length; p++)
        {
            var optimum = traces.Sum(t => Math.Min((t.Arrivals[^1] - t.Arrivals[0]) / (t.Arrivals.Length - 1), patience[p]) * (t.Arrivals.Length - 1));
            var cost = scores[p].ColdExcludingFirst * patience[p] + scores[p].IdleSeconds;
            Assert.InRange(cost / optimum, 0.98, 1.02);
        }
    }

    private static ServiceTrace Exponential(Random random, string id, double mean, int count)
    {
        var arrivals = new double[count];
        var at = 0.0;
        for (var i = 0; i < count; i++)
        {
            at += -mean * Math.Log(1 - random.NextDouble());
            arrivals[i] = at;
        }

        return new ServiceTrace(id, 0, at, arrivals);
    }

    // Timers, bursts and memoryless services together.
    private static ServiceTrace[] Traces(int seed, int services, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, services).Select(s =>
        {
            var arrivals = new double[count];
            var at = random.NextDouble() * 5000;
            for (var i = 0; i < count; i++)
            {
                arrivals[i] = at;
                at += (s % 3) switch
                {
                    0 => 3600 + random.Next(40),
                    1 => random.Next(4) == 0 ? 7000 * random.NextDouble() : 20 * random.NextDouble(),
                    _ => -900 * Math.Log(1 - random.NextDouble()),
                };
            }

            return new ServiceTrace($"s{s}", 0, at, arrivals);
        })];
    }

    private static List<(double At, string Id, string Windows)> Decisions(ServiceTrace[] traces, ServiceTrace[] history)
    {
        var forecast = new LearnedForecast(traces.Length, ForecastPrior.Learn(history, 4));
        var order = new ArrivalOrder(traces);
        var rates = new float[SlotGrid.Count];
        var windows = new ReadyWindow[GapPolicy.MostWindows];
        var decisions = new List<(double, string, string)>();
        while (order.Next(out var s, out _, out var at))
        {
            forecast.Arrive(s, at, rates);
            var count = WindowRule.Plan(rates, 1800, windows);
            decisions.Add((at, traces[s].Id, string.Join(' ', windows.Take(count))));
        }

        return decisions;
    }
}
