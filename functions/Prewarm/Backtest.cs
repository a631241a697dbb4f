namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Replays arrivals against policies. A policy is told of each arrival when it happens, decides, and only then is the next one looked at; so
/// cutting a trace short changes no earlier decision.
/// </summary>
/// <param name="decisions">Where decisions are written, if anywhere.</param>
internal sealed class Backtest(IReadOnlyList<ServiceTrace> services, DecisionLog? decisions, BacktestProgress? progress)
{
    private const int ReportEvery = 4096;

    /// <summary>Scores a policy that knows one service at a time.</summary>
    public PolicyScore Run(string policy, string setting, Func<GapPolicy> make)
    {
        var score = new PolicyScore(policy, setting);
        var windows = new ReadyWindow[GapPolicy.MostWindows];
        foreach (var service in services)
        {
            var decide = make();
            long cold = 0;
            double idle = 0;
            for (var i = 0; i < service.Arrivals.Length; i++)
            {
                var at = service.Arrivals[i];
                var count = decide.Decide(i == 0 ? double.NaN : at - service.Arrivals[i - 1], windows);
                Settle(score, service, i, windows.AsSpan(0, count), ref cold, ref idle);
            }

            score.Add(service.Arrivals.Length, cold, idle);
            progress?.Advance(service.Arrivals.Length);
        }

        return score;
    }

    /// <summary>Scores the learned policy with several settings at once: they share the forecast.</summary>
    /// <param name="members">Which of the services to score; the forecaster sees these and no other.</param>
    /// <param name="workPerArrival">What an arrival counts for in the progress.</param>
    public void RunLearned(IReadOnlyList<int> members, ForecastPrior prior, IReadOnlyList<PolicyScore> scores, IReadOnlyList<double> patience, double workPerArrival)
    {
        ServiceTrace[] mine = [.. members.Select(m => services[m])];
        var forecast = new LearnedForecast(mine.Length, prior);
        var order = new ArrivalOrder(mine);
        var rates = new float[SlotGrid.Count];
        var windows = new ReadyWindow[GapPolicy.MostWindows];
        var cold = new long[mine.Length * scores.Count];
        var idle = new double[mine.Length * scores.Count];
        var since = 0;
        while (order.Next(out var s, out var index, out var at))
        {
            forecast.Arrive(s, at, rates);
            for (var p = 0; p < scores.Count; p++)
            {
                var count = WindowRule.Plan(rates, patience[p], windows);
                Settle(scores[p], mine[s], index, windows.AsSpan(0, count), ref cold[s * scores.Count + p], ref idle[s * scores.Count + p]);
            }

            if (++since == ReportEvery)
            {
                progress?.Advance(since * workPerArrival);
                since = 0;
            }
        }

        progress?.Advance(since * workPerArrival);
        for (var p = 0; p < scores.Count; p++)
        {
            lock (scores[p])
            {
                for (var s = 0; s < mine.Length; s++)
                {
                    scores[p].Add(mine[s].Arrivals.Length, cold[s * scores.Count + p], idle[s * scores.Count + p]);
                }
            }
        }
    }

    private void Settle(PolicyScore score, ServiceTrace service, int index, ReadOnlySpan<ReadyWindow> windows, ref long cold, ref double idle)
    {
        var at = service.Arrivals[index];
        decisions?.Write(score, service.Id, at, windows);
        var last = index == service.Arrivals.Length - 1;
        var (warm, waste) = PolicyScore.Gap(windows, (last ? service.End : service.Arrivals[index + 1]) - at);
        idle += waste;
        cold += (index == 0 ? 1 : 0) + (warm || last ? 0 : 1);
    }
}
