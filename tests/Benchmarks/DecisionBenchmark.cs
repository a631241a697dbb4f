using BenchmarkDotNet.Attributes;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Tests.Benchmarks;

/// <summary>One decision: what is known of a service, to hazards, to windows.</summary>
[MemoryDiagnoser]
public class DecisionBenchmark
{
    private readonly ServiceMemory memory = new();
    private readonly ReadyWindow[] windows = new ReadyWindow[GapPolicy.MostWindows];
    private readonly float[] rates = new float[SlotGrid.Count];
    private LearnedForecast forecast = null!;
    private LearnedForecast learning = null!;
    private double at;

    [GlobalSetup]
    public void Remember()
    {
        var random = new Random(1);
        for (var time = 0.0; memory.Seen < 500; time += Math.Exp(random.NextDouble() * 9))
        {
            memory.Add(time);
        }

        forecast = new LearnedForecast(1, ForecastPrior.Learn([], 16));
        learning = new LearnedForecast(1, ForecastPrior.Learn([], 16));
    }

    /// <summary>The decision alone.</summary>
    [Benchmark(Baseline = true)]
    public int Decide()
    {
        forecast.Forecast(memory, memory.Last, rates);
        return WindowRule.Plan(rates, 600, windows);
    }

    /// <summary>The same, and learning from the gap that ended before it.</summary>
    [Benchmark]
    public int LearnAndDecide()
    {
        at += 700;
        learning.Arrive(0, at, rates);
        return WindowRule.Plan(rates, 600, windows);
    }
}
