namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Keeps a service's forecast honest: once a gap has ended, what each policy would have cost in it is known, and one that has been cheaper than the forecast
/// by several cold starts takes its place until that has changed. What is long ago counts less, so it finds its way back.
/// </summary>
/// <param name="patience">Idle seconds that one cold start is worth, and what costs are measured in.</param>
/// <param name="losses">The service's state, <see cref="Experts"/> numbers, zero to begin with.</param>
/// <param name="fleet">
/// All services' state, as many: what is cheaper than the forecast for all of them together takes its place for those of which too little is known by
/// themselves. Empty: each service for itself.
/// </param>
internal readonly ref struct PolicyGuard(double patience, Span<float> losses, Span<float> fleet = default)
{
    /// <summary>The forecast, the hybrid histogram, off, the fixed keep-alives.</summary>
    public const int Experts = 3 + 9;

    // Costs fade by this each gap; what is usual leads by as many cold starts.
    private const float Keep = 1 - 1f / 300;
    private const float HeadStart = 4;
    private const float FleetKeep = 1 - 1f / 3000;
    private const float FleetHeadStart = 6;

    private readonly Span<float> losses = losses;
    private readonly Span<float> fleet = fleet;

    /// <summary>Takes a gap that has ended.</summary>
    /// <param name="forecast">The windows that the forecast had chosen for it.</param>
    /// <param name="histogram">Those of the hybrid histogram.</param>
    public void Learn(ReadOnlySpan<ReadyWindow> forecast, ReadOnlySpan<ReadyWindow> histogram, double gap)
    {
        Add(0, PolicyScore.Gap(forecast, gap));
        Add(1, PolicyScore.Gap(histogram, gap));
        Add(2, (false, 0));
        for (var f = 0; f < FixedKeepAlive.Settings.Length; f++)
        {
            var keep = FixedKeepAlive.Settings[f];
            Add(3 + f, (gap < keep, Math.Min(gap, keep)));
        }
    }

    /// <summary>0: the forecast; 1: the hybrid histogram; 2: off; from 3: a fixed keep-alive.</summary>
    public int Choose()
    {
        var usual = fleet.IsEmpty ? 0 : Cheapest(fleet, 0, FleetHeadStart);
        return Cheapest(losses, usual, HeadStart);
    }

    private static int Cheapest(ReadOnlySpan<float> losses, int usual, float lead)
    {
        var best = usual;
        var least = losses[usual] - lead;
        for (var e = 0; e < Experts; e++)
        {
            if (losses[e] < least)
            {
                (best, least) = (e, losses[e]);
            }
        }

        return best;
    }

    /// <summary>Writes the windows of a choice that needs no forecast.</summary>
    public static int Windows(int choice, ReadOnlySpan<ReadyWindow> histogram, Span<ReadyWindow> windows)
    {
        if (choice == 1)
        {
            histogram.CopyTo(windows);
            return histogram.Length;
        }

        if (choice == 2)
        {
            return 0;
        }

        windows[0] = new ReadyWindow(0, FixedKeepAlive.Settings[choice - 3]);
        return 1;
    }

    private void Add(int expert, (bool Warm, double Idle) outcome)
    {
        var cost = (float)((outcome.Warm ? 0 : 1) + outcome.Idle / patience);
        losses[expert] = losses[expert] * Keep + cost;
        if (!fleet.IsEmpty)
        {
            fleet[expert] = fleet[expert] * FleetKeep + cost;
        }
    }
}
