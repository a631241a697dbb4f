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
        for (var s = 0; s < services.Count; s++)
        {
            var service = services[s];
            var decide = make();
            long cold = 0;
            double idle = 0;
            for (var i = 0; i < service.Arrivals.Length; i++)
            {
                var at = service.Arrivals[i];
                var count = decide.Decide(i == 0 ? double.NaN : at - service.Arrivals[i - 1], windows);
                Settle(score, service, i, windows.AsSpan(0, count), ref cold, ref idle);
            }

            score.Add(service.Arrivals.Length, cold, idle, s);
            progress?.Advance(service.Arrivals.Length);
        }

        return score;
    }

    /// <summary>Scores the forecast for a group of services: one row a patience, the forecasts shared; guarded, and (if wanted) alone.</summary>
    /// <param name="members">Positions of the services.</param>
    /// <param name="workPerArrival">Units of progress.</param>
    /// <param name="scores">Rows for the guarded forecast, if wanted.</param>
    /// <param name="alone">Rows for the forecast without its guard, if wanted.</param>
    public void RunLearned(int[] members, ForecastPrior prior, PolicyScore[]? scores, double[] patience, double workPerArrival, PolicyScore[]? alone = null)
    {
        ServiceTrace[] mine = [.. members.Select(m => services[m])];
        var forecast = new LearnedForecast(mine.Length, prior);
        var own = new int[services.Count];
        Array.Fill(own, -1);
        for (var m = 0; m < members.Length; m++)
        {
            own[members[m]] = m;
        }

        // The others' calls are heard as a cluster hears them, and teach nothing.
        var order = new ArrivalOrder(services);
        var rates = new float[SlotGrid.Count];
        var rows = patience.Length;
        var most = GapPolicy.MostWindows;
        var windows = new ReadyWindow[rows * most];
        var guarded = new ReadyWindow[most];
        var histograms = mine.Select(_ => new HybridHistogram(Guarding)).ToArray();
        var histogram = new ReadyWindow[most];
        var fleet = new float[rows * PolicyGuard.Experts];
        var losses = new float[mine.Length * rows * PolicyGuard.Experts];
        var cold = new long[2 * mine.Length * rows];
        var idle = new double[2 * mine.Length * rows];
        var since = 0;
        while (order.Next(out var any, out var index, out var at))
        {
            var s = own[any];
            if (s < 0)
            {
                forecast.Hear(index == 0 ? double.PositiveInfinity : at - services[any].Arrivals[index - 1], at);
                continue;
            }

            forecast.Arrive(s, at, rates);
            histograms[s].Decide(index == 0 ? double.NaN : at - mine[s].Arrivals[index - 1], histogram);
            var ends = index < mine[s].Arrivals.Length - 1;
            for (var p = 0; p < rows; p++)
            {
                var planned = windows.AsSpan(p * most, WindowRule.Plan(rates, patience[p], windows.AsSpan(p * most, most)));
                var cell = s * rows + p;
                var guard = new PolicyGuard(patience[p], losses.AsSpan(cell * PolicyGuard.Experts, PolicyGuard.Experts), fleet.AsSpan(p * PolicyGuard.Experts, PolicyGuard.Experts));
                var choice = guard.Choose();
                var played = choice == 0 ? planned : guarded.AsSpan(0, PolicyGuard.Windows(choice, histogram.AsSpan(0, 1), guarded));
                if (scores is not null)
                {
                    Settle(scores[p], mine[s], index, played, ref cold[cell], ref idle[cell]);
                }

                if (alone is not null)
                {
                    Settle(alone[p], mine[s], index, planned, ref cold[mine.Length * rows + cell], ref idle[mine.Length * rows + cell]);
                }

                // Learnt now, used for the next gap only.
                if (ends)
                {
                    guard.Learn(planned, histogram.AsSpan(0, 1), mine[s].Arrivals[index + 1] - at);
                }
            }

            if (++since == ReportEvery)
            {
                progress?.Advance(since * workPerArrival);
                since = 0;
            }
        }

        progress?.Advance(since * workPerArrival);
        for (var p = 0; p < rows; p++)
        {
            Sum(scores?[p], p, 0);
            Sum(alone?[p], p, mine.Length * rows);
        }

        void Sum(PolicyScore? score, int p, int offset)
        {
            if (score is null)
            {
                return;
            }

            lock (score)
            {
                for (var s = 0; s < mine.Length; s++)
                {
                    score.Add(mine[s].Arrivals.Length, cold[offset + s * rows + p], idle[offset + s * rows + p], members[s]);
                }
            }
        }
    }

    private static readonly HybridVariant Guarding = new(240, 5, 99, 600);

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
