using Prewarm.Functions.Prewarm;

namespace Prewarm.Tests.Benchmarks;

/// <summary>
/// Makes functions/Prewarm/Forecast/neutral.prior: what a forecast learns from made-up services. Half and more are called by people in sessions (with nights, office
/// hours, moods, short lives), the rest by timers, daily at a usual time, without memory, or with heavy tails. The parameters are guesses at what is usual, from no trace.
/// </summary>
internal static class NeutralPrior
{
    private const int Services = 300;

    // The services after so many are of the rarer kinds: what comes at its time of day, what has no memory at all, timers.
    private const int Usual = 240;
    private const int MostCalls = 400;
    private const double Days = 14;
    private const int Units = 16;

    private static readonly double[] Periods = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

    /// <returns>0.</returns>
    public static int Write(string path)
    {
        File.WriteAllBytes(path, ForecastPriorFormat.Write(ForecastPrior.Learn(Make(seed: 1), Units, log: Console.WriteLine)));
        return 0;
    }

    /// <summary>Made-up services, the same for the same seed.</summary>
    public static List<ServiceTrace> Make(int seed)
    {
        var services = new List<ServiceTrace>();
        for (var i = 0; i < Services; i++)
        {
            var random = new Random(seed * 100_003 + i);
            var end = Days * 86400;
            var calls = new List<double>();
            var from = random.NextDouble() * (random.NextDouble() < 0.5 ? 0.2 : 0.9) * end;
            var night = new Night(4 * 3600 * Normal(random), random.NextDouble(), random.NextDouble() < 0.25);
            var kind = random.NextDouble();
            if (kind < 0.7)
            {
                Sessions(random, from, end, night, calls);
            }

            if (kind is > 0.62 and < 0.8)
            {
                Timer(random, from, end, calls);
            }

            if (kind >= 0.8)
            {
                var spread = kind < 0.9 ? 0 : 0.5 + 2 * random.NextDouble();
                Renewals(random, from, end, spread, night with { Depth = night.Depth / 2, Office = false }, calls);
            }

            if (i >= Usual)
            {
                calls.Clear();
                Rarer(random, from, end, night, calls);
            }

            calls.Sort();
            double[] kept = [.. calls.Where(c => c <= end).Take(MostCalls)];
            if (kept.Length > 0)
            {
                services.Add(new ServiceTrace($"s{i}", 0, kept.Length == MostCalls ? kept[^1] : end, kept));
            }
        }

        return services;
    }

    private static void Rarer(Random random, double from, double end, Night night, List<double> calls)
    {
        var kind = random.NextDouble();
        if (kind < 0.5)
        {
            if (random.NextDouble() < 0.3)
            {
                Sessions(random, from, end, night, calls);
            }

            Habit(random, from, end, calls);
        }
        else if (kind < 0.8)
        {
            Renewals(random, from, end, 0, new Night(0, 0, false), calls);
        }
        else
        {
            Timer(random, from, end, calls);
        }
    }

    // At about the same time each day or working day, once or twice: a call or a few.
    private static void Habit(Random random, double from, double end, List<double> calls)
    {
        var workdays = random.NextDouble() < 0.5;
        var weekend = random.Next(7);
        var skipped = random.NextDouble() < 0.5 ? 0 : 0.3 * random.NextDouble();
        var times = random.NextDouble() < 0.7 ? 1 : 2;
        var more = random.NextDouble() < 0.5 ? 0 : Math.Exp(1 + 0.8 * Normal(random));
        var pause = Math.Exp(4 + 0.7 * Normal(random));
        for (var t = 0; t < times; t++)
        {
            var time = 86400 * random.NextDouble();
            var late = 60 * Math.Exp(4.5 * random.NextDouble());
            for (var day = Math.Floor(from / 86400); day * 86400 < end; day++)
            {
                if ((workdays && ((long)day + weekend) % 7 >= 5) || random.NextDouble() < skipped)
                {
                    continue;
                }

                var at = day * 86400 + time + late * Normal(random);
                for (var left = 1 + (int)(more * Waiting(random)); left > 0 && calls.Count < 2 * MostCalls; left--)
                {
                    if (at >= from)
                    {
                        calls.Add(Math.Floor(at));
                    }

                    at += 2 + pause * Waiting(random);
                }
            }
        }
    }

    private static void Sessions(Random random, double from, double end, Night night, List<double> calls)
    {
        var daily = Math.Exp(0.8 + 1.4 * Normal(random));
        var size = Math.Exp(1.3 + 0.9 * Normal(random));
        var pause = Math.Exp(4.2 + 0.5 * Normal(random));
        var spread = 0.4 + 0.9 * random.NextDouble();
        var until = random.NextDouble() < 0.4 ? Math.Min(end, from + 3 * 86400 * Waiting(random)) : end;
        var mood = 1.0;
        for (var at = from; at < until && calls.Count < MostCalls;)
        {
            at += 0.6 * 86400 / (daily * mood) * Waiting(random);
            mood = random.NextDouble() < 0.2 ? Math.Exp(0.8 * Normal(random)) : mood;
            if (!night.Awake(random, at))
            {
                continue;
            }

            var own = pause * Math.Exp(0.3 * Normal(random));
            for (var left = 1 + (int)(size * mood * Waiting(random)); left > 0 && calls.Count < MostCalls; left--)
            {
                calls.Add(Math.Floor(at));
                at += 2 + own * Math.Exp(spread * Normal(random)) * (random.NextDouble() < 0.08 ? 6 : 1);
            }
        }
    }

    private static void Timer(Random random, double from, double end, List<double> calls)
    {
        var period = random.NextDouble() < 0.85 ? Periods[random.Next(Periods.Length)] : Math.Exp(4 + 7 * random.NextDouble());
        var late = random.NextDouble() < 0.5 ? 2 : Math.Min(0.2 * period, 60 * random.NextDouble());
        var skipped = random.NextDouble() < 0.5 ? 0 : 0.4 * random.NextDouble();
        for (var at = (Math.Ceiling(from / period) + random.NextDouble()) * period; at < end && calls.Count < 2 * MostCalls; at += period)
        {
            if (random.NextDouble() >= skipped)
            {
                calls.Add(Math.Floor(at + late * random.NextDouble()));
            }
        }
    }

    private static void Renewals(Random random, double from, double end, double spread, Night night, List<double> calls)
    {
        var middle = Math.Exp(4 + 7 * random.NextDouble());
        for (var at = from; at < end && calls.Count < MostCalls;)
        {
            at += middle * (spread == 0 ? Waiting(random) : Math.Exp(spread * Normal(random)));
            if (night.Awake(random, at))
            {
                calls.Add(Math.Floor(at));
            }
        }
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static double Waiting(Random random) => -Math.Log(1 - random.NextDouble());

    private sealed record Night(double Zone, double Depth, bool Office)
    {
        public bool Awake(Random random, double at)
        {
            var day = (at + Zone) / 86400;
            var hour = (day - Math.Floor(day)) * 24;
            return Office && ((long)Math.Floor(day) % 7 >= 5 || hour is < 8.5 or > 18.5)
                ? random.NextDouble() < 0.03
                : random.NextDouble() < 1 - Depth * (0.5 + 0.5 * Math.Cos((hour - 4) / 12 * Math.PI));
        }
    }
}
