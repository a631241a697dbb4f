namespace Prewarm.Functions.Prewarm;

/// <summary>Gaps of the past with what was known at their beginning, up to the slot in which each ended.</summary>
internal sealed class TrainingSet
{
    private const int N = SlotGrid.Count;
    private readonly List<(float[] Values, int Slots, float LastWatched, bool Ended, float Weight, int Service)> gaps = [];

    /// <summary>Numbers kept.</summary>
    public long Size { get; private set; }

    public int Count => gaps.Count;

    public void Add(GapFeatures features, double gap, bool ended, float weight, int service)
    {
        var end = SlotGrid.Find(gap);
        var slots = Math.Min(end + 1, N);
        var last = end < N ? (float)(gap - SlotGrid.Edges[end]) : SlotGrid.Widths[N - 1];
        var padded = HazardNetwork.Padded(slots);
        var values = new float[padded * (GapFeatures.PerSlot + 1) + GapFeatures.PerGap];
        features.Base.AsSpan(0, padded).CopyTo(values);
        for (var i = 0; i < GapFeatures.PerSlot; i++)
        {
            features.Slots.AsSpan(i * N, padded).CopyTo(values.AsSpan((i + 1) * padded));
        }

        features.Whole.CopyTo(values.AsSpan((GapFeatures.PerSlot + 1) * padded));
        gaps.Add((values, slots, last, ended && end < N, weight, service));
        Size += values.Length;
    }

    /// <summary>
    /// Learns weights. How long is found out on a fifth of the services that is held out: as many rounds as they gain by, then once more over all.
    /// </summary>
    public HazardNetwork Train(int units, int seed, Action<string>? log = null)
    {
        var held = gaps.Where(g => g.Service % 5 == 0).ToArray();
        var shown = gaps.Where(g => g.Service % 5 != 0).ToArray();
        var rounds = 2;
        if (held.Length > 50 && shown.Length > 200)
        {
            var trial = new HazardNetwork(units, seed);
            var best = Loss(trial, held);
            log?.Invoke($"round 0: {best:F5}");
            rounds = 0;
            for (var round = 1; round <= 30 && round <= rounds + 4; round++)
            {
                Round(trial, shown, round, seed);
                var loss = Loss(trial, held);
                log?.Invoke($"round {round}: {loss:F5}");
                if (loss < best)
                {
                    best = loss;
                    rounds = round;
                }
            }
        }

        var network = new HazardNetwork(units, seed);
        for (var round = 1; round <= rounds; round++)
        {
            Round(network, [.. gaps], round, seed);
        }

        return network;
    }

    private static void Round(HazardNetwork network, (float[] Values, int Slots, float LastWatched, bool Ended, float Weight, int Service)[] set, int round, int seed)
    {
        new Random(seed * 1000 + round).Shuffle(set);
        var output = new float[N];
        var rate = 0.003f / MathF.Sqrt(round);
        for (var i = 0; i < set.Length; i++)
        {
            Learn(network, set[i], output);
            if (i % 16 == 15 || i == set.Length - 1)
            {
                network.Step(rate, 0.01f);
            }
        }
    }

    private static void Learn(HazardNetwork network, (float[] Values, int Slots, float LastWatched, bool Ended, float Weight, int Service) gap, float[] output)
    {
        var values = gap.Values.AsSpan();
        var stride = HazardNetwork.Padded(gap.Slots);
        network.Learn(values, values[stride..], stride, values[^GapFeatures.PerGap..], gap.Slots, gap.LastWatched, gap.Ended, gap.Weight, output);
    }

    private static double Loss(HazardNetwork network, (float[] Values, int Slots, float LastWatched, bool Ended, float Weight, int Service)[] set)
    {
        double loss = 0, weight = 0;
        var output = new float[N];
        foreach (var gap in set)
        {
            var values = gap.Values.AsSpan();
            var stride = HazardNetwork.Padded(gap.Slots);
            network.Forecast(values, values[stride..], stride, values[^GapFeatures.PerGap..], gap.Slots, output);
            for (var k = 0; k < gap.Slots; k++)
            {
                loss += gap.Weight * TiltedLoss.Held(output[k]) * (k == gap.Slots - 1 ? gap.LastWatched : SlotGrid.Widths[k]);
            }

            loss += gap.Ended ? gap.Weight * TiltedLoss.Missed(output[gap.Slots - 1]) : 0;
            weight += gap.Weight;
        }

        return loss / weight;
    }
}
