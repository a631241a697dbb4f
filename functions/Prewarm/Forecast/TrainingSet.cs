namespace Prewarm.Functions.Prewarm;

/// <summary>Gaps of the past with what was known at their beginning, up to the slot in which each ended.</summary>
internal sealed class TrainingSet
{
    // Times that each gap is learnt from, and how much weights fall meanwhile: found on public traces, not sensitive from 8 to 14 and from 0.01 to 0.05.
    private const int Rounds = 8;
    private const float Decay = 0.01f;
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

    /// <summary>Learns weights, as long as experience says (<see cref="Rounds"/>).</summary>
    /// <param name="begin">What to begin with instead of a network of small random weights; not changed.</param>
    public HazardNetwork Train(int units, int seed, HazardNetwork? begin = null, Action<string>? log = null)
    {
        var network = begin is null ? new HazardNetwork(units, seed) : new HazardNetwork(begin);
        for (var round = 1; round <= Rounds; round++)
        {
            Round(network, [.. gaps], round, seed);
        }

        network.Settle();
        log?.Invoke($"network {seed}: loss {Loss(network, [.. gaps]):F5}");
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
                network.Train(rate, Decay);
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
