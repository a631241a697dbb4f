namespace Prewarm.Functions.Prewarm;

/// <summary>
/// The forecast that acts: 1. a gap that has ended tells the guard what each policy would have cost in it, and what was played did; 2. then it teaches the fleet's networks and laws, and the model's memory;
/// 3. a plan is the windows of the policy that the guard chooses: the fleet's forecast, the model's own law, the hybrid histogram, a fixed keep-alive, or nothing.
/// </summary>
internal sealed class FleetForecast(LearnedForecast forecast)
{
    /// <summary>A patience that has changed by more makes the costs so far incomparable.</summary>
    private const float SamePatience = 0.01f;

    /// <summary>Patiences that the fleet's costs are kept for; models of further ones are judged by themselves.</summary>
    private const int MostPatiences = 64;

    private readonly Dictionary<string, float[]> _numbers = new(StringComparer.Ordinal);
    private readonly float[] _rates = new float[SlotGrid.Count];
    private readonly ReadyWindow[] _learned = new ReadyWindow[GapPolicy.MostWindows];
    private readonly ReadyWindow[] _own = new ReadyWindow[GapPolicy.MostWindows];
    private readonly ReadyWindow[] _played = new ReadyWindow[GapPolicy.MostWindows];
    // What each policy has cost all models of one patience together: costs are counted in cold starts, and those of another patience are of another front.
    private readonly Dictionary<float, float[]> _fleet = [];
    private LearnedForecast _forecast = forecast;

    /// <summary>Calls taken since the start: what is saved has changed.</summary>
    public long Taken { get; private set; }

    /// <summary>What the fleet has learned so far, to be saved.</summary>
    public LearnedForecast Fleet => _forecast;

    /// <summary>Goes on with what was saved, or with what a history taught.</summary>
    public void Become(LearnedForecast other)
    {
        _forecast = other;
        _numbers.Clear();
    }

    /// <summary>Forgets the numbers of models that are no more.</summary>
    public void Keep(IReadOnlySet<string> models)
    {
        foreach (var gone in _numbers.Keys.Where(k => !models.Contains(k)).ToList())
        {
            _numbers.Remove(gone);
        }
    }

    /// <summary>Takes a call, of all models in order of time.</summary>
    /// <param name="key">The model.</param>
    /// <param name="memory">Takes the call.</param>
    /// <param name="patience">The model's; 0: nothing is prepared for it, so its policies have no cost.</param>
    /// <param name="at">Unix seconds.</param>
    public void Arrive(string key, ServiceMemory memory, double patience, double at)
    {
        if (!_numbers.TryGetValue(key, out var numbers))
        {
            _numbers[key] = numbers = new float[GapFeatures.PerGap];
        }

        // 1
        if (memory.Seen > 0 && patience > 0)
        {
            Judge(memory, numbers, patience, Math.Max(0, at - memory.Last));
        }

        // 2
        _forecast.Arrive(memory, numbers, Math.Max(at, memory.Seen > 0 ? memory.Last : at), _rates);
        Taken++;
    }

    /// <summary>3: writes the windows of the gap that began with the memory's last call.</summary>
    /// <param name="price">What an idle second costs against its usual price: what is left of a budget makes it dearer.</param>
    /// <returns>How many windows, and whose.</returns>
    public (int Count, string Policy) Plan(string key, ServiceMemory memory, double patience, double price, Span<ReadyWindow> windows)
    {
        var choice = Same(memory, patience) ? Guard(memory, patience).Choose() : PolicyGuard.Forecast;
        var numbers = _numbers.TryGetValue(key, out var known) ? known : new float[GapFeatures.PerGap];
        return (Windows(choice, memory, numbers, patience / price, windows), Name(choice));
    }

    /// <summary>What the law of the gap that began with the memory's last call says of the time after now; nothing while no call is known.</summary>
    /// <param name="idle">How long that is ago, seconds.</param>
    /// <param name="within">Seconds from now.</param>
    /// <returns>The chance that a call comes within them, and the greatest hazard rate per second in the first <paramref name="near"/> of them.</returns>
    public (double Chance, double Rate) Soon(string key, ServiceMemory? memory, double patience, double idle, double within, double near)
    {
        if (memory is not { Seen: > 0 })
        {
            return (0, 0);
        }

        if (patience > 0 && Same(memory, patience) && Guard(memory, patience).Choose() == PolicyGuard.Own)
        {
            OwnLaw.Write(memory, _rates);
        }
        else
        {
            _forecast.Forecast(memory, _numbers.TryGetValue(key, out var known) ? known : new float[GapFeatures.PerGap], _rates);
        }

        var (expected, most) = (0.0, 0.0);
        for (var k = Math.Min(SlotGrid.Find(idle), SlotGrid.Count - 1); k < SlotGrid.Count; k++)
        {
            // The last slot's rate goes on beyond the grid.
            var (start, end) = (Math.Max(idle, SlotGrid.Edges[k]), k == SlotGrid.Count - 1 ? double.PositiveInfinity : SlotGrid.Edges[k + 1]);
            if (start >= idle + within)
            {
                break;
            }

            var rate = Math.Exp(_rates[k]);
            expected += rate * (Math.Min(end, idle + within) - start);
            most = start <= idle + near ? Math.Max(most, rate) : most;
        }

        return (1 - Math.Exp(-expected), most);
    }

    /// <summary>Cold starts more than the best fixed keep-alive (or none) would have cost in hindsight, over the last few hundred gaps; below 0: it cost less.</summary>
    public static double Regret(ServiceMemory memory, double patience)
    {
        if (!Same(memory, patience))
        {
            return 0;
        }

        var best = float.MaxValue;
        foreach (var keep in memory.Losses.AsSpan(PolicyGuard.Off, 1 + FixedKeepAlive.Settings.Length))
        {
            best = Math.Min(best, keep);
        }

        return memory.Guarded[0] - best;
    }

    /// <summary>As status.prewarm.policy has it.</summary>
    public static string Name(int choice) => choice switch
    {
        PolicyGuard.Forecast => "learned",
        PolicyGuard.Own => "own",
        PolicyGuard.Hybrid => "hybrid",
        PolicyGuard.Off => "off",
        _ => FormattableString.Invariant($"fixed-{FixedKeepAlive.Settings[choice - PolicyGuard.Off - 1]}"),
    };

    private void Judge(ServiceMemory memory, float[] numbers, double patience, double gap)
    {
        if (!Same(memory, patience))
        {
            Array.Clear(memory.Losses);
            memory.Guarded[0] = 0;
            memory.Guarded[1] = (float)patience;
        }

        var guard = Guard(memory, patience);
        var choice = guard.Choose();
        ReadyWindow[] histogram = [SlotHistogram.Window(memory)];
        var learned = _learned.AsSpan(0, Windows(PolicyGuard.Forecast, memory, numbers, patience, _learned));
        var own = _own.AsSpan(0, Windows(PolicyGuard.Own, memory, numbers, patience, _own));
        var played = choice switch
        {
            PolicyGuard.Forecast => learned,
            PolicyGuard.Own => own,
            _ => _played.AsSpan(0, PolicyGuard.Windows(choice, histogram, _played)),
        };
        memory.Guarded[0] = (memory.Guarded[0] * PolicyGuard.Keep) + PolicyGuard.Cost(PolicyScore.Gap(played, gap), patience);
        guard.Learn(learned, histogram, gap, own);
    }

    private int Windows(int choice, ServiceMemory memory, float[] numbers, double patience, Span<ReadyWindow> windows)
    {
        if (choice is PolicyGuard.Forecast or PolicyGuard.Own)
        {
            if (choice == PolicyGuard.Own)
            {
                OwnLaw.Write(memory, _rates);
            }
            else
            {
                _forecast.Forecast(memory, numbers, _rates);
            }

            return WindowRule.Plan(_rates, patience, windows);
        }

        Span<ReadyWindow> histogram = [SlotHistogram.Window(memory)];
        return PolicyGuard.Windows(choice, histogram, windows);
    }

    private PolicyGuard Guard(ServiceMemory memory, double patience)
    {
        if (!_fleet.TryGetValue((float)patience, out var fleet) && _fleet.Count < MostPatiences)
        {
            _fleet[(float)patience] = fleet = new float[PolicyGuard.Experts];
        }

        return new(patience, memory.Losses, fleet);
    }

    private static bool Same(ServiceMemory memory, double patience) => Math.Abs((memory.Guarded[1] / patience) - 1) <= SamePatience;
}
