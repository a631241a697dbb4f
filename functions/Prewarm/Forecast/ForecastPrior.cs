namespace Prewarm.Functions.Prewarm;

/// <summary>What a history taught: the pooled laws and the weights of the experts.</summary>
internal sealed record ForecastPrior(FleetMemory Fleet, HazardNetwork[] Networks)
{
    /// <summary>Networks that are trained from different beginnings, and whose forecasts are averaged.</summary>
    public const int Ensemble = 3;

    // Copies of each service that are known from a later call on, and how much a gap of theirs counts.
    private const int Late = 2;
    private const float LateWeight = 0.5f;

    // 240 MB.
    private const long MostNumbers = 60_000_000;

    /// <summary>
    /// What a cluster without a history begins with: learnt from made-up services (sessions of people, timers, memoryless and heavy-tailed calls), so from
    /// nobody's traffic. Each a copy of its own that can be gone on with.
    /// </summary>
    public static ForecastPrior ReadNeutral()
    {
        using var stream = typeof(ForecastPrior).Assembly.GetManifestResourceStream("neutral.prior") ?? throw new InvalidOperationException("neutral.prior is not in the assembly");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return (ForecastPriorFormat.TryRead(bytes) ?? throw new InvalidOperationException("neutral.prior was made for other features: `Benchmarks prior` makes it anew")) with { YoungRate = 0.001f };
    }

    /// <summary>What the networks' rate begins with while they run; it falls to the rate of those that a history taught.</summary>
    public float YoungRate { get; init; }

    /// <summary>Learns from other services' past. Reads it twice: for the laws, then for the weights, given the laws.</summary>
    /// <param name="begin">Whose networks to begin with, if they have as many units: a history is short, and what holds for made-up services mostly holds for it.</param>
    public static ForecastPrior Learn(IReadOnlyList<ServiceTrace> history, int units, ForecastPrior? begin = null, Action<string>? log = null)
    {
        var fleet = new FleetMemory();
        Play(history, fleet, learn: true, null);
        fleet.ForgetTimes();
        var set = new TrainingSet();
        Play(history, fleet, learn: false, set);
        log?.Invoke($"{set.Count} gaps, {set.Size} numbers");
        HazardNetwork[] networks = [.. Enumerable.Range(0, Ensemble).Select(n => set.Train(units, n + 1, begin is not null && begin.Networks[n].Units == units ? begin.Networks[n] : null, log))];
        fleet.ForgetTimes();
        return new ForecastPrior(fleet, networks);
    }

    private static void Play(IReadOnlyList<ServiceTrace> services, FleetMemory fleet, bool learn, TrainingSet? set)
    {
        var features = new GapFeatures();
        var memories = services.Select(_ => new ServiceMemory()).ToArray();
        var order = new ArrivalOrder(services);
        var random = new Random(7);

        // Services that are known from some later call on: what a forecast is like while it knows little is learnt from them.
        var late = Enumerable.Range(0, set is null ? 0 : Late).Select(_ => services.Select(t => (From: random.Next(t.Arrivals.Length + 1), Memory: new ServiceMemory())).ToArray()).ToArray();
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
            if (set is null)
            {
                continue;
            }

            Take(memory, 1);
            foreach (var copy in late)
            {
                if (index >= copy[s].From)
                {
                    copy[s].Memory.Add(at);
                    Take(copy[s].Memory, LateWeight);
                }
            }

            void Take(ServiceMemory known, float weight)
            {
                if (set.Size < MostNumbers && random.NextDouble() < chance)
                {
                    features.Fill(known, fleet, at);
                    set.Add(features, gap, !last, weight * (gap < 10 ? 4 : 1), s);
                }
            }
        }
    }
}
