namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Keeps a service's forecast honest: once a gap has ended, what each policy would have cost in it is known, and one that has been cheaper than the forecast
/// by several cold starts takes its place until that has changed. What is long ago counts less, so it finds its way back.
/// </summary>
/// <param name="patience">Idle seconds that one cold start is worth, and what costs are measured in.</param>
/// <param name="losses">
/// The service's state, <see cref="Experts"/> numbers, or <see cref="WithOwn"/> where the service's own law of gaps is a policy too; zero to begin with.
/// </param>
/// <param name="fleet">
/// All services' state, <see cref="Experts"/> numbers: what is cheaper than the forecast for all of them together takes its place for those of which too little is known by
/// themselves. Empty: each service for itself.
/// </param>
internal readonly ref struct PolicyGuard(double patience, Span<float> losses, Span<float> fleet = default)
{
    /// <summary>The forecast, the hybrid histogram, off, the fixed keep-alives.</summary>
    public const int Experts = 3 + 9;

    /// <summary><see cref="Experts"/> and the service's own law.</summary>
    public const int WithOwn = Experts + 1;

    public const int Forecast = 0;
    public const int Hybrid = 1;
    public const int Off = 2;
    public const int Own = Experts;

    /// <summary>Costs fade by this each gap.</summary>
    public const float Keep = 1 - 1f / 300;

    // What is usual leads by as many cold starts, and the own law, which is the better of the two where the fleet has no model of a kind, by a few less.
    private const float HeadStart = 4;
    private const float OwnStart = 2;
    private const float FleetKeep = 1 - 1f / 3000;
    private const float FleetHeadStart = 6;

    private readonly Span<float> losses = losses;
    private readonly Span<float> fleet = fleet;

    /// <summary>Takes a gap that has ended.</summary>
    /// <param name="forecast">The windows that the forecast had chosen for it.</param>
    /// <param name="histogram">Those of the hybrid histogram.</param>
    /// <param name="own">Those of the own law, where it is a policy.</param>
    public void Learn(ReadOnlySpan<ReadyWindow> forecast, ReadOnlySpan<ReadyWindow> histogram, double gap, ReadOnlySpan<ReadyWindow> own = default)
    {
        if (losses.Length > Own)
        {
            Add(Own, PolicyScore.Gap(own, gap));
        }

        Add(0, PolicyScore.Gap(forecast, gap));
        Add(1, PolicyScore.Gap(histogram, gap));
        Add(2, (false, 0));
        for (var f = 0; f < FixedKeepAlive.Settings.Length; f++)
        {
            var keep = FixedKeepAlive.Settings[f];
            Add(3 + f, (gap < keep, Math.Min(gap, keep)));
        }
    }

    /// <summary>0: the forecast; 1: the hybrid histogram; 2: off; from 3: a fixed keep-alive; last: the own law.</summary>
    public int Choose()
    {
        var usual = fleet.IsEmpty ? Forecast : Cheapest(fleet, Forecast, FleetHeadStart);
        return Cheapest(losses, usual, HeadStart);
    }

    private static int Cheapest(ReadOnlySpan<float> losses, int usual, float lead)
    {
        var best = usual;
        var least = losses[usual] - lead;
        for (var e = 0; e < losses.Length; e++)
        {
            var loss = e == Own ? losses[e] - OwnStart : losses[e];
            if (loss < least)
            {
                (best, least) = (e, loss);
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
        var cost = Cost(outcome, patience);
        losses[expert] = losses[expert] * Keep + cost;
        if (expert < fleet.Length)
        {
            fleet[expert] = fleet[expert] * FleetKeep + cost;
        }
    }

    /// <summary>Of a gap, in cold starts.</summary>
    public static float Cost((bool Warm, double Idle) outcome, double patience) => (float)((outcome.Warm ? 0 : 1) + outcome.Idle / patience);
}
