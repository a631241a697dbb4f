namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>What a policy's pods, cache and callers' waits came to.</summary>
internal sealed class TierScore(TierPrices prices)
{
    private readonly List<float> waits = [];
    private bool sorted;

    public double PodSeconds { get; set; }

    public double CacheSeconds { get; set; }

    /// <summary>Bytes read from object storage, prefetches included, GB.</summary>
    public double RemoteGb { get; set; }

    /// <summary>All callers' waits together, seconds.</summary>
    public double WaitSeconds { get; private set; }

    public long Prefetches { get; set; }

    public double PodHours => PodSeconds / 3600;

    public double CacheGbHours => CacheSeconds * prices.ModelGb / 3600;

    /// <summary>Pods, cache and waiting, in the prices' money.</summary>
    public double Cost => PodHours * prices.PodHour + CacheGbHours * prices.CacheGbHour + WaitSeconds * prices.WaitS;

    public void Wait(double seconds)
    {
        waits.Add((float)seconds);
        WaitSeconds += seconds;
        sorted = false;
    }

    /// <summary>The wait that a share of the callers did not exceed, seconds.</summary>
    public double Quantile(double share)
    {
        if (!sorted)
        {
            waits.Sort();
            sorted = true;
        }

        return waits.Count == 0 ? 0 : waits[Math.Clamp((int)Math.Ceiling(share * waits.Count) - 1, 0, waits.Count - 1)];
    }
}
