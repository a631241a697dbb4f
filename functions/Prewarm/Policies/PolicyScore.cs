namespace Prewarm.Functions.Prewarm;

/// <summary>What one policy with one setting did to all services: an arrival outside its windows is a cold start, time in them before it is waste.</summary>
internal sealed class PolicyScore(string policy, string setting)
{
    private readonly List<double> shares = [];
    private readonly SortedList<int, (long Arrivals, long Cold, double Idle)> byService = [];

    /// <summary>What it did to each service, by the service's position.</summary>
    public IReadOnlyDictionary<int, (long Arrivals, long Cold, double Idle)> ByService => byService;

    /// <summary>The two tiers' sums, when they were asked for.</summary>
    public Tiers.TierScore? Tiers { get; set; }

    /// <summary>Name in the CSV.</summary>
    public string Policy { get; } = policy;

    /// <summary>Its knob, as the CSV has it.</summary>
    public string Setting { get; } = setting;

    public int Services { get; private set; }

    public long Arrivals { get; private set; }

    public long Cold { get; private set; }

    /// <summary>Cold starts but for each service's first arrival, which nobody can foresee.</summary>
    public long ColdExcludingFirst => Cold - Services;

    /// <summary>Pod-seconds ready before the next arrival.</summary>
    public double IdleSeconds { get; private set; }

    /// <summary>Cold starts of each service, in % of its arrivals, at the 75th-percentile service of those with 10 arrivals or more.</summary>
    public double ColdP75Percent
    {
        get
        {
            if (shares.Count == 0)
            {
                return double.NaN;
            }

            var sorted = shares.Order().ToArray();
            var at = 0.75 * (sorted.Length - 1);
            var low = (int)at;
            return sorted[low] + (at - low) * (sorted[Math.Min(low + 1, sorted.Length - 1)] - sorted[low]);
        }
    }

    /// <summary>Whether an arrival after <paramref name="gap"/> seconds finds it ready, and the time spent ready until then.</summary>
    public static (bool Warm, double Idle) Gap(ReadOnlySpan<ReadyWindow> windows, double gap)
    {
        double idle = 0;
        foreach (var window in windows)
        {
            if (gap < window.End)
            {
                return gap >= window.Start ? (true, idle + gap - window.Start) : (false, idle);
            }

            idle += window.End - window.Start;
        }

        return (false, idle);
    }

    /// <summary>Adds a whole service.</summary>
    /// <param name="service">Its position.</param>
    public void Add(long arrivals, long cold, double idle, int service)
    {
        if (arrivals == 0)
        {
            return;
        }

        Services++;
        byService.Add(service, (arrivals, cold, idle));
        Arrivals += arrivals;
        Cold += cold;
        IdleSeconds += idle;
        if (arrivals >= 10)
        {
            shares.Add(100.0 * cold / arrivals);
        }
    }
}
