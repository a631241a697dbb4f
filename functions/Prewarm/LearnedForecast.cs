namespace Prewarm.Functions.Prewarm;

/// <summary>What a history taught: the pooled laws and the weights of the experts.</summary>
internal sealed record ForecastPrior(FleetMemory Fleet, HazardNetwork? Network)
{
    /// <summary>Learns from other services' past. Reads it twice: for the laws, then for the weights, given the laws.</summary>
    public static ForecastPrior Learn(IReadOnlyList<ServiceTrace> history, int units, Action<string>? log = null)
    {
        var fleet = new FleetMemory();
        Play(history, fleet, learn: true, null);
        fleet.ForgetTimes();
        var set = new TrainingSet();
        Play(history, fleet, learn: false, set);
        log?.Invoke($"{set.Count} gaps, {set.Size} numbers");
        var network = set.Train(units, 1, log);
        fleet.ForgetTimes();
        return new ForecastPrior(fleet, network);
    }

    private static void Play(IReadOnlyList<ServiceTrace> services, FleetMemory fleet, bool learn, TrainingSet? set)
    {
        var features = new GapFeatures();
        var memories = services.Select(_ => new ServiceMemory()).ToArray();
        var order = new ArrivalOrder(services);
        var random = new Random(7);
        var known = new GapFeatures?[services.Count];
        while (order.Next(out var s, out var index, out var at))
        {
            var memory = memories[s];
            if (index > 0 && learn)
            {
                fleet.Learn(memory.Class, at - memory.Last, memory.Seen, open: false);
            }

            if (index == 0 || at - memory.Last > ServiceMemory.SessionGap)
            {
                fleet.Session(at);
            }

            memory.Add(at);
            var last = index == services[s].Arrivals.Length - 1;
            var gap = (last ? services[s].End : services[s].Arrivals[index + 1]) - at;
            if (last && learn)
            {
                fleet.Learn(memory.Class, gap, memory.Seen, open: true);
            }

            // Many arrivals of one service tell little more than a few hundred; short gaps least.
            var chance = Math.Min(1, 3000.0 / services[s].Arrivals.Length) * (gap < 10 ? 0.25 : 1);
            if (set is not null && set.Size < 60_000_000 && random.NextDouble() < chance)
            {
                features.Fill(memory, fleet, at);
                set.Add(features, gap, !last, gap < 10 ? 4 : 1, s);
            }
        }
    }
}

/// <summary>Forecasts for a fleet, arrival by arrival.</summary>
internal sealed class LearnedForecast
{
    private readonly FleetMemory fleet;
    private readonly HazardNetwork network;
    private readonly ServiceMemory[] memories;
    private readonly GapFeatures features = new();

    public LearnedForecast(int services, ForecastPrior prior)
    {
        fleet = prior.Fleet;
        network = prior.Network ?? new HazardNetwork(0, 1);
        memories = [.. Enumerable.Range(0, services).Select(_ => new ServiceMemory())];
    }

    /// <summary>Takes an arrival and writes the log hazard rates (per second) of the gap that begins.</summary>
    public void Arrive(int service, double at, Span<float> logRates)
    {
        var memory = memories[service];
        if (memory.Seen > 0)
        {
            fleet.Learn(memory.Class, at - memory.Last, memory.Seen, open: false);
        }

        if (memory.Seen == 0 || at - memory.Last > ServiceMemory.SessionGap)
        {
            fleet.Session(at);
        }

        memory.Add(at);
        features.Fill(memory, fleet, at);
        network.Forecast(features.Base, features.Slots, SlotGrid.Count, features.Whole, SlotGrid.Count, logRates);
    }
}

/// <summary>Turns hazards into windows.</summary>
internal static class WindowRule
{
    /// <summary>Patience settings of a sweep, seconds.</summary>
    public static readonly double[] Sweep = [.. Enumerable.Range(0, 30).Select(i => Math.Round(12 * Math.Pow(1.5, i)))];

    /// <summary>
    /// A slot is warm when its hazard rate × patience ≥ 1: the chance that the call comes in it, times what a cold start is worth, is then at least
    /// the time it is expected to idle. Optimal for a known law. Neighbours merge.
    /// </summary>
    /// <param name="patience">Idle seconds that one avoided cold start is worth.</param>
    public static int Plan(ReadOnlySpan<float> logRates, double patience, Span<ReadyWindow> windows)
    {
        var threshold = (float)-Math.Log(patience);
        var count = 0;
        var start = -1;
        for (var k = 0; k < logRates.Length; k++)
        {
            if (logRates[k] >= threshold)
            {
                start = start < 0 ? k : start;
            }
            else if (start >= 0)
            {
                windows[count++] = new ReadyWindow(SlotGrid.Edges[start], SlotGrid.Edges[k]);
                start = -1;
            }
        }

        if (start >= 0)
        {
            windows[count++] = new ReadyWindow(SlotGrid.Edges[start], SlotGrid.Edges[logRates.Length]);
        }

        return count;
    }
}
