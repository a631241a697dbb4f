using System.Globalization;

namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>The two-tier replay of the forecast and of every static pair of pod keep-alive and cache rule.</summary>
internal static class TierBacktest
{
    public static PolicyScore[] Run(IReadOnlyList<ServiceTrace> services, TierPrices prices, Func<int, ForecastPrior> prior, int folds, BacktestProgress? progress)
    {
        var limited = prices.Places < int.MaxValue;
        var rules = limited ? CacheRule.Limited : CacheRule.Unlimited;
        var runs = new List<(PolicyScore Score, TierPolicy Policy)>();
        if (!limited)
        {
            runs.Add((new PolicyScore("knative", "none"), new StaticTiers(services, prices, FixedKeepAlive.Knative, rules[0])));
        }

        foreach (var keep in FixedKeepAlive.Settings)
        {
            foreach (var rule in rules)
            {
                runs.Add((new PolicyScore(string.Create(CultureInfo.InvariantCulture, $"fixed-{keep}"), rule.Name), new StaticTiers(services, prices, keep, rule)));
            }

            if (limited)
            {
                runs.Add((new PolicyScore("belady", string.Create(CultureInfo.InvariantCulture, $"{keep}")), new StaticTiers(services, prices, keep, CacheRule.Belady)));
            }
        }

        var forecast = new List<(PolicyScore Score, TierPolicy Policy)> { (new PolicyScore("learned", "prices"), new LearnedTiers(services.Count, prices)) };
        if (limited)
        {
            foreach (var rule in CacheRule.Limited.Skip(1).Append(CacheRule.Belady))
            {
                forecast.Add((new PolicyScore("mixed", $"learned-pods-{rule.Name}"), new StaticTiers(services, prices, double.NaN, rule)));
            }
        }

        long arrivals = services.Sum(s => (long)s.Arrivals.Length);
        progress?.Expect(arrivals * (runs.Count + 60.0));
        var work = new List<Action> { () => Forecast(services, prices, prior, folds, forecast, progress) };
        work.AddRange(runs.Select(run => (Action)(() =>
        {
            Replay(services, prices, run.Score, run.Policy);
            progress?.Advance(arrivals);
        })));
        Parallel.ForEach(work, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, action => action());
        return [.. forecast.Select(f => f.Score), .. runs.Select(r => r.Score)];
    }

    private static void Replay(IReadOnlyList<ServiceTrace> services, TierPrices prices, PolicyScore score, TierPolicy policy)
    {
        var replay = new TierReplay(services, prices, policy, score);
        var order = new ArrivalOrder(services);
        while (order.Next(out var s, out _, out var at))
        {
            replay.Arrive(s, at, []);
        }

        replay.Finish();
    }

    // Each group of services is forecast with what the other groups taught; the cache is one for all.
    private static void Forecast(IReadOnlyList<ServiceTrace> services, TierPrices prices, Func<int, ForecastPrior> prior, int folds, List<(PolicyScore Score, TierPolicy Policy)> runs, BacktestProgress? progress)
    {
        LearnedForecast[] forecasts = [.. Enumerable.Range(0, folds).Select(f => new LearnedForecast((services.Count - f + folds - 1) / folds, prior(f)))];
        TierReplay[] replays = [.. runs.Select(r => new TierReplay(services, prices, r.Policy, r.Score))];
        var rates = new float[SlotGrid.Count];
        var order = new ArrivalOrder(services);
        var since = 0;
        while (order.Next(out var s, out var index, out var at))
        {
            for (var f = 0; f < folds; f++)
            {
                if (f != s % folds)
                {
                    forecasts[f].Hear(index == 0 ? double.PositiveInfinity : at - services[s].Arrivals[index - 1], at);
                }
            }

            forecasts[s % folds].Arrive(s / folds, at, rates);
            foreach (var replay in replays)
            {
                replay.Arrive(s, at, rates);
            }

            if (++since == 4096)
            {
                progress?.Advance(since * 60.0);
                since = 0;
            }
        }

        progress?.Advance(since * 60.0);
        foreach (var replay in replays)
        {
            replay.Finish();
        }
    }
}
