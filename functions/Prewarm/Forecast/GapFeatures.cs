namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What the experts say about the next gap, slot by slot, as logarithms of hazard ratios: the pooled law; the service's own, broad to narrow, each
/// shrunk to the broader one by Gamma priors worth one gap; its law after gaps like the last; its last few gaps; its minute of the hour;
/// its time of the day and week; the fleet's time of the day. And what is the same for all slots.
/// </summary>
internal sealed class GapFeatures
{
    /// <summary>Numbers per slot.</summary>
    public const int PerSlot = 16;

    /// <summary>Numbers for the whole gap.</summary>
    public const int PerGap = 19;

    private const int N = SlotGrid.Count;

    /// <summary>The pooled law's logarithm, to which the forecast is a correction.</summary>
    public readonly float[] Base = new float[N];

    /// <summary><see cref="PerSlot"/> rows of one number a slot.</summary>
    public readonly float[] Slots = new float[PerSlot * N];

    public readonly float[] Whole = new float[PerGap];

    private readonly float[] expected = new float[N];
    private readonly float[] sumEnds = new float[N + 1];
    private readonly float[] sumExpected = new float[N + 1];
    private readonly float[] rate = new float[N];
    private readonly float[] medium = new float[N];
    private readonly float[] ringEnds = new float[N];
    private readonly float[] ringWatched = new float[N];
    private readonly float[] coarseRate = new float[SlotGrid.CoarseCount];
    private readonly float[] coarseLog = new float[SlotGrid.CoarseCount];
    private readonly CalendarFeatures calendar = new();

    // Up to where the slots' neighbours have to be known for all numbers of the slots up to one to be right.
    private static readonly int[] Reach = MakeReach();

    // How many slots are being filled.
    private int reach = N;

    /// <summary>Fills all from the memories as they stand right after an arrival at <paramref name="now"/>.</summary>
    public void Fill(ServiceMemory memory, FleetMemory fleet, double now)
    {
        FillSlots(memory, fleet, now, N);
        WholeGap(memory, fleet, now);
    }

    /// <summary>Fills <see cref="Base"/> and <see cref="Slots"/> for the first <paramref name="slots"/> slots; the rest is not to be read.</summary>
    public void FillSlots(ServiceMemory memory, FleetMemory fleet, double now, int slots)
    {
        reach = Reach[slots];
        var law = memory.Class;
        fleet.LogRates(law).CopyTo(Base);
        fleet.Rates(law).CopyTo(rate);
        for (var k = 0; k < reach; k++)
        {
            Slots[k] = (Base[k] + 6) / 3;
        }

        LogMiddle.CopyTo(Slots.AsSpan(12 * N));
        Shrink(memory.Ends, memory.Watched, SlotRanges.Wide, 1, 1, confidence: 13);
        Shrink(memory.Ends, memory.Watched, SlotRanges.Medium, 1, 2, confidence: 0);
        rate.CopyTo(medium, 0);
        Shrink(memory.Ends, memory.Watched, SlotRanges.Narrow, 1, 3, confidence: 0);
        Ring(memory);
        Coarse(memory);
        calendar.Fill(memory, fleet, now, Slots, reach);
    }

    private static int[] MakeReach()
    {
        var far = new int[N + 1];
        for (var slots = 1; slots <= N; slots++)
        {
            var narrow = SlotRanges.Narrow[slots - 1].High;
            var coarse = SlotGrid.CoarseStart[SlotGrid.Coarse[slots - 1] + 1];
            var middle = SlotRanges.Medium[Math.Max(narrow, coarse) - 1].High;
            far[slots] = Math.Min(N, HazardNetwork.Padded(SlotRanges.Wide[middle - 1].High));
        }

        return far;
    }

    private static readonly float[] LogMiddle = [.. SlotGrid.Middles.Select(m => (MathF.Log(m) - 6) / 2.5f)];

    private void Shrink(float[] ends, float[] watched, (byte Low, byte High)[] ranges, float prior, int row, int confidence)
    {
        float e = 0, x = 0;
        for (var k = 0; k < reach; k++)
        {
            e += ends[k];
            x += watched[k] * rate[k];
            sumEnds[k + 1] = e;
            sumExpected[k + 1] = x;
        }

        var target = Slots.AsSpan(row * N, reach);
        for (var k = 0; k < target.Length; k++)
        {
            var (low, high) = ranges[k];
            high = Math.Min(high, (byte)reach);
            var there = Math.Max(0, sumExpected[high] - sumExpected[low]);
            var ratio = (sumEnds[high] - sumEnds[low] + prior) / (there + prior);
            rate[k] *= ratio;
            target[k] = ratio;
            expected[k] = 1 + there;
        }

        FastMath.Log(target);
        if (confidence > 0)
        {
            var sure = Slots.AsSpan(confidence * N, reach);
            expected.AsSpan(0, reach).CopyTo(sure);
            FastMath.Log(sure, 0.5f);
        }
    }

    private void Ring(ServiceMemory memory)
    {
        var count = Math.Min(memory.LongSeen, ServiceMemory.LongGaps);
        Array.Clear(ringEnds);
        Array.Clear(ringWatched);
        var beyond = 0;
        for (var i = 0; i < count; i++)
        {
            var k = SlotGrid.Find(memory.Long[i]);
            if (k < N)
            {
                ringEnds[k]++;
            }
            else
            {
                beyond++;
            }
        }

        float alive = beyond;
        for (var k = N - 1; k >= 0; k--)
        {
            ringWatched[k] = (alive + 0.5f * ringEnds[k]) * SlotGrid.Widths[k];
            alive += ringEnds[k];
        }

        medium.CopyTo(rate, 0);
        Shrink(ringEnds, ringWatched, SlotRanges.Narrow, 0.5f, 6, confidence: 0);
        var last = memory.LongSeen > 0 ? MathF.Log(memory.Long[(memory.LongSeen - 1) % ServiceMemory.LongGaps]) : float.NaN;
        var row = Slots.AsSpan(15 * N, N);
        row.Clear();
        if (!float.IsNaN(last))
        {
            for (var k = 0; k < reach; k++)
            {
                row[k] = Math.Max(0, 1 - 2 * Math.Abs(LogMiddle[k] * 2.5f + 6 - last));
            }
        }
    }

    private void Coarse(ServiceMemory memory)
    {
        for (var c = 0; c < SlotGrid.CoarseCount; c++)
        {
            var (low, high) = (SlotGrid.CoarseStart[c], SlotGrid.CoarseStart[c + 1]);
            float sum = 0;
            for (var k = low; k < high; k++)
            {
                sum += medium[k] * SlotGrid.Widths[k];
            }

            coarseRate[c] = high > low ? sum / (SlotGrid.Edges[high] - SlotGrid.Edges[low]) : 0;
        }

        Spread(memory.FastEnds, memory.FastWatched, 0, 5, 0);
        var law = memory.Class;
        if (law == ServiceMemory.Classes)
        {
            Slots.AsSpan(4 * N, N).Clear();
            Slots.AsSpan(14 * N, N).Clear();
            return;
        }

        Spread(memory.ClassEnds, memory.ClassWatched, law * SlotGrid.CoarseCount, 4, 14);
    }

    private void Spread(float[] ends, float[] watched, int offset, int row, int confidence)
    {
        for (var c = 0; c < SlotGrid.CoarseCount; c++)
        {
            coarseLog[c] = (ends[offset + c] + 1) / (watched[offset + c] * coarseRate[c] + 1);
        }

        FastMath.Log(coarseLog);
        var target = Slots.AsSpan(row * N, reach);
        for (var k = 0; k < target.Length; k++)
        {
            target[k] = coarseLog[SlotGrid.Coarse[k]];
        }

        if (confidence > 0)
        {
            for (var c = 0; c < SlotGrid.CoarseCount; c++)
            {
                coarseLog[c] = 1 + watched[offset + c] * coarseRate[c];
            }

            FastMath.Log(coarseLog, 0.5f);
            var sure = Slots.AsSpan(confidence * N, reach);
            for (var k = 0; k < sure.Length; k++)
            {
                sure[k] = coarseLog[SlotGrid.Coarse[k]];
            }
        }
    }

    private void WholeGap(ServiceMemory memory, FleetMemory fleet, double now)
    {
        Whole[0] = MathF.Log(1 + memory.Seen) / 3;
        Whole[1] = float.IsNaN(memory.Gap) ? 0 : (MathF.Log(memory.Gap + 5) - 5) / 2;
        Whole[2] = float.IsNaN(memory.GapBefore) ? 0 : (MathF.Log(memory.GapBefore + 5) - 5) / 2;
        for (var i = 0; i < 4; i++)
        {
            Whole[3 + i] = MathF.Log(memory.Rates[i]) / 2 - (i == 0 ? 0 : 0.5f * i);
        }

        Whole[7] = MathF.Log(memory.InSession) / 2;
        Whole[8] = (float)Math.Log(1 + (now - memory.First) / 3600) / 3;
        Whole[9] = fleet.Busy(now);
        Whole[10] = memory.Seen == 1 ? 1 : 0;
        Whole[11] = (float)Math.Log(1 + (now - memory.SessionStart) / 60) / 3;
        Whole[12] = memory.LongSeen == 0 ? 0 : (MathF.Log(memory.Long[(memory.LongSeen - 1) % ServiceMemory.LongGaps]) - 7) / 2;
        Whole[13] = memory.LongSeen < 2 ? 0 : (MathF.Log(memory.Long[(memory.LongSeen - 2) % ServiceMemory.LongGaps]) - 7) / 2;
        var known = memory.Seen > 1;
        Whole[14] = known ? (memory.Means[0] - 5) / 2 : 0;
        Whole[15] = known ? (memory.Means[1] - 5) / 2 : 0;
        Whole[16] = memory.Means[2];
        Whole[17] = memory.Sessions > 0 ? memory.Means[3] / 2 : 0;
        Whole[18] = memory.Sessions > 0 ? (MathF.Log(memory.InSession) - memory.Means[3]) / 2 : 0;
    }
}
