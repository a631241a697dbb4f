using System.Diagnostics;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Tests.Benchmarks;

/// <summary>100,000 models' memories, all decided anew on two threads: seconds, and the process's memory.</summary>
internal static class ReplanMeasure
{
    private const int Models = 100_000;
    private const int Threads = 2;

    /// <returns>0 when it took 5 s and 512 MB at most.</returns>
    public static int Run()
    {
        var memories = new ServiceMemory[Models];
        var random = new Random(1);
        for (var m = 0; m < Models; m++)
        {
            memories[m] = new ServiceMemory();
            var at = random.NextDouble() * 1e6;
            for (var i = 0; i < 10; i++, at += Math.Exp(random.NextDouble() * 9))
            {
                memories[m].Add(at);
            }
        }

        var prior = ForecastPrior.Learn([], 16);
        for (var round = 0; round < 3; round++)
        {
            var started = TimeProvider.System.GetTimestamp();
            long windows = 0;
            Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
            {
                var forecast = new LearnedForecast(0, prior);
                var rates = new float[SlotGrid.Count];
                var plan = new ReadyWindow[GapPolicy.MostWindows];
                long count = 0;
                for (var m = thread; m < Models; m += Threads)
                {
                    forecast.Forecast(memories[m], memories[m].Last, rates);
                    count += WindowRule.Plan(rates, 600, plan);
                }

                Interlocked.Add(ref windows, count);
            });
            var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
            var megabytes = Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0;
            Console.WriteLine($"{Models} models replanned in {seconds:F2} s on {Threads} threads, {windows} windows, {megabytes:F0} MB at most");
            if (round == 2)
            {
                return seconds <= 5 && megabytes <= 512 ? 0 : 1;
            }
        }

        return 1;
    }
}
