namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>What is held until the next arrival: windows of a pod and of the cache, seconds after the arrival it was decided at.</summary>
internal sealed class TierPlan
{
    /// <summary>Windows of a pod whose data is in the cache.</summary>
    public readonly ReadyWindow[] Pod = new ReadyWindow[GapPolicy.MostWindows];

    /// <summary>Windows of a pod whose data is not, so that another start would read it from remote.</summary>
    public readonly ReadyWindow[] Uncached = new ReadyWindow[GapPolicy.MostWindows];

    public readonly ReadyWindow[] Cache = new ReadyWindow[GapPolicy.MostWindows];

    public int Pods { get; set; }

    /// <summary>How many <see cref="Uncached"/> there are; −1: the same as with the data.</summary>
    public int Uncacheds { get; set; } = -1;

    public int Caches { get; set; }
}

/// <summary>
/// Decides slot by slot between nothing, the cache, and a pod, by hazards h: nothing costs h × what a start from remote costs, the cache its price + h × what
/// a start from it costs, a pod its price. For a known law the cheapest is right, up to what the change itself costs: a pod window pays for its own start.
/// Whether a cache of limited size has the data is not ours to choose, but known when a window ends or nears: the pod's windows are decided for both.
/// </summary>
internal static class TierRule
{
    /// <param name="waiters">Callers' waits together for each second that the one who caused a cold start waits; at least 1.</param>
    /// <param name="missing">Share of starts that find a cache of limited size without the data, of those whose pod left it there.</param>
    public static void Plan(ReadOnlySpan<float> logRates, TierPrices prices, double waiters, double missing, TierPlan plan)
    {
        var remote = prices.StartRemote * (waiters * prices.WaitS + prices.PodSecond);
        var local = (prices.StartLocal + missing * (prices.StartRemote - prices.StartLocal)) * (waiters * prices.WaitS + prices.PodSecond);
        if (prices.Places < int.MaxValue)
        {
            // It is ranked, not priced by the clock: the space is there.
            plan.Pods = Pods(logRates, local, double.MaxValue, prices.PodSecond, prices.StartLocal, plan.Pod);
            plan.Uncacheds = Pods(logRates, remote, double.MaxValue, prices.PodSecond, prices.StartRemote, plan.Uncached);
            plan.Cache[0] = new ReadyWindow(0, double.MaxValue);
            plan.Caches = 1;
            return;
        }

        plan.Pods = Pods(logRates, remote, local, prices.PodSecond, prices.StartLocal, plan.Pod, prices.CacheSecond);
        plan.Uncacheds = -1;
        Caches(logRates, remote, local, prices.CacheSecond, plan);
    }

    /// <summary>Windows in which a pod costs less than being without.</summary>
    /// <param name="cold">What a cold start costs without the cache.</param>
    /// <param name="local">What it costs with it, where it can be had for <paramref name="cacheSecond"/>.</param>
    /// <param name="again">Seconds that another start takes.</param>
    private static int Pods(ReadOnlySpan<float> logRates, double cold, double local, double podSecond, double again, ReadyWindow[] windows, double cacheSecond = 0)
    {
        var (count, from, gain) = (0, -1, 0.0);
        for (var k = 0; k <= logRates.Length; k++)
        {
            var rate = k < logRates.Length ? MathF.Exp(logRates[k]) : 0;
            var without = Math.Min(rate * cold, cacheSecond + rate * local);
            if (k < logRates.Length && without > podSecond)
            {
                from = from < 0 ? k : from;
                gain += (without - podSecond) * SlotGrid.Widths[k];
                continue;
            }

            if (from < 0)
            {
                continue;
            }

            var (start, end) = (SlotGrid.Edges[from], SlotGrid.Edges[k]);
            if (count > 0 && start - windows[count - 1].End < again)
            {
                windows[count - 1] = new ReadyWindow(windows[count - 1].Start, end);
            }
            else if (from == 0 || gain > again * podSecond)
            {
                windows[count++] = new ReadyWindow(start, end);
            }

            (from, gain) = (-1, 0);
        }

        return count;
    }

    private static void Caches(ReadOnlySpan<float> logRates, double remote, double local, double cacheSecond, TierPlan plan)
    {
        plan.Caches = 0;
        var from = -1;
        for (var k = 0; k <= logRates.Length; k++)
        {
            var rate = k < logRates.Length ? MathF.Exp(logRates[k]) : 0;
            if (k < logRates.Length && cacheSecond + rate * local < rate * remote)
            {
                from = from < 0 ? k : from;
            }
            else if (from >= 0)
            {
                // Beyond the grid the hazard goes on falling as one over the time, as it does for all.
                double end = SlotGrid.Edges[k];
                if (k == logRates.Length)
                {
                    end = cacheSecond == 0 ? double.MaxValue : end * MathF.Exp(logRates[k - 1]) * (remote - local) / cacheSecond;
                }

                plan.Cache[plan.Caches++] = new ReadyWindow(SlotGrid.Edges[from], Math.Max(end, SlotGrid.Edges[k]));
                from = -1;
            }
        }
    }
}
