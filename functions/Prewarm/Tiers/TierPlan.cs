namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>What is held until the next arrival: windows of a pod and of the cache, seconds after the arrival it was decided at.</summary>
internal sealed class TierPlan
{
    public readonly ReadyWindow[] Pod = new ReadyWindow[GapPolicy.MostWindows];
    public readonly ReadyWindow[] Cache = new ReadyWindow[GapPolicy.MostWindows];

    public int Pods { get; set; }

    public int Caches { get; set; }
}

/// <summary>
/// Decides slot by slot between nothing, the cache, and a pod, by hazards h: nothing costs h × what a start from remote costs, the cache its price + h × what
/// a start from it costs, a pod its price. For a known law the cheapest is right, up to what the change itself costs: a pod window pays for its own start.
/// </summary>
internal static class TierRule
{
    /// <param name="waiters">Callers' waits together for each second that the one who caused a cold start waits; at least 1.</param>
    /// <param name="missing">Share of starts that find a cache of limited size without the data.</param>
    public static void Plan(ReadOnlySpan<float> logRates, TierPrices prices, double waiters, double missing, TierPlan plan)
    {
        var remote = prices.StartRemote * (waiters * prices.WaitS + prices.PodSecond);
        var local = (prices.StartLocal + missing * (prices.StartRemote - prices.StartLocal)) * (waiters * prices.WaitS + prices.PodSecond);
        var limited = prices.Places < int.MaxValue;
        plan.Pods = plan.Caches = 0;
        int podFrom = -1, cacheFrom = -1;
        double gain = 0;
        for (var k = 0; k <= logRates.Length; k++)
        {
            var rate = k < logRates.Length ? MathF.Exp(logRates[k]) : 0;

            // A cache of limited size is ranked, not priced by the clock: the space is there.
            var cached = (limited ? 0 : prices.CacheSecond) + rate * local;
            var below = Math.Min(rate * remote, cached);
            var pod = k < logRates.Length && below > prices.PodSecond;
            var cache = k < logRates.Length && (limited || cached < rate * remote);
            if (pod)
            {
                podFrom = podFrom < 0 ? k : podFrom;
                gain += (below - prices.PodSecond) * SlotGrid.Widths[k];
            }
            else if (podFrom >= 0)
            {
                AddPod(plan, podFrom, k, gain, prices);
                podFrom = -1;
                gain = 0;
            }

            if (cache)
            {
                cacheFrom = cacheFrom < 0 ? k : cacheFrom;
            }
            else if (cacheFrom >= 0)
            {
                // Beyond the grid the hazard goes on falling as one over the time, as it does for all.
                double end = SlotGrid.Edges[k];
                if (k == logRates.Length)
                {
                    end = limited || prices.CacheSecond == 0 ? double.MaxValue : end * MathF.Exp(logRates[k - 1]) * (remote - local) / prices.CacheSecond;
                }

                plan.Cache[plan.Caches++] = new ReadyWindow(SlotGrid.Edges[cacheFrom], Math.Max(end, SlotGrid.Edges[k]));
                cacheFrom = -1;
            }
        }
    }

    private static void AddPod(TierPlan plan, int from, int to, double gain, TierPrices prices)
    {
        var (start, end) = (SlotGrid.Edges[from], SlotGrid.Edges[to]);
        var again = prices.StartLocal;
        if (plan.Pods > 0 && start - plan.Pod[plan.Pods - 1].End < again)
        {
            plan.Pod[plan.Pods - 1] = new ReadyWindow(plan.Pod[plan.Pods - 1].Start, end);
        }
        else if (from == 0 || gain > again * prices.PodSecond)
        {
            plan.Pod[plan.Pods++] = new ReadyWindow(start, end);
        }
    }
}
