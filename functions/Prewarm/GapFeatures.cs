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
    public const int PerGap = 14;

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
    private readonly int[] phases = new int[60];
    private readonly float[] profile = new float[96];

    /// <summary>Fills all from the memories as they stand right after an arrival at <paramref name="now"/>.</summary>
    public void Fill(ServiceMemory memory, FleetMemory fleet, double now)
    {
        var law = memory.Class;
        fleet.LogRates(law).CopyTo(Base);
        fleet.Rates(law).CopyTo(rate);
        for (var k = 0; k < N; k++)
        {
            Slots[k] = (Base[k] + 6) / 3;
            Slots[12 * N + k] = LogMiddle[k];
        }

        Shrink(memory.Ends, memory.Watched, SlotRanges.Wide, 1, 1, confidence: 13);
        Shrink(memory.Ends, memory.Watched, SlotRanges.Medium, 1, 2, confidence: 0);
        rate.CopyTo(medium, 0);
        Shrink(memory.Ends, memory.Watched, SlotRanges.Narrow, 1, 3, confidence: 0);
        Ring(memory);
        Coarse(memory);
        Calendar(memory, fleet, now);
        WholeGap(memory, fleet, now);
    }

    private static readonly float[] LogMiddle = [.. SlotGrid.Middles.Select(m => (MathF.Log(m) - 6) / 2.5f)];

    private void Shrink(float[] ends, float[] watched, (byte Low, byte High)[] ranges, float prior, int row, int confidence)
    {
        float e = 0, x = 0;
        for (var k = 0; k < N; k++)
        {
            e += ends[k];
            x += watched[k] * rate[k];
            sumEnds[k + 1] = e;
            sumExpected[k + 1] = x;
        }

        var target = Slots.AsSpan(row * N, N);
        for (var k = 0; k < N; k++)
        {
            var (low, high) = ranges[k];
            var there = Math.Max(0, sumExpected[high] - sumExpected[low]);
            var ratio = (sumEnds[high] - sumEnds[low] + prior) / (there + prior);
            rate[k] *= ratio;
            target[k] = FastMath.Log(ratio);
            expected[k] = there;
        }

        if (confidence > 0)
        {
            for (var k = 0; k < N; k++)
            {
                Slots[confidence * N + k] = FastMath.Log(1 + expected[k]) * 0.5f;
            }
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
            for (var k = 0; k < N; k++)
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
            coarseLog[c] = FastMath.Log((ends[offset + c] + 1) / (watched[offset + c] * coarseRate[c] + 1));
        }

        var target = Slots.AsSpan(row * N, N);
        for (var k = 0; k < N; k++)
        {
            target[k] = coarseLog[SlotGrid.Coarse[k]];
        }

        if (confidence > 0)
        {
            for (var c = 0; c < SlotGrid.CoarseCount; c++)
            {
                coarseLog[c] = FastMath.Log(1 + watched[offset + c] * coarseRate[c]) * 0.5f;
            }

            var sure = Slots.AsSpan(confidence * N, N);
            for (var k = 0; k < N; k++)
            {
                sure[k] = coarseLog[SlotGrid.Coarse[k]];
            }
        }
    }

    private void Calendar(ServiceMemory memory, FleetMemory fleet, double now)
    {
        // Minute of the hour, over the last day.
        Array.Clear(phases);
        var total = 0;
        foreach (var hour in memory.Minutes)
        {
            for (var bits = hour; bits != 0; bits &= bits - 1)
            {
                phases[System.Numerics.BitOperations.TrailingZeroCount(bits)]++;
                total++;
            }
        }

        // Quarter of the day, over the last week.
        Array.Clear(profile);
        var nowQuarter = (long)Math.Floor(now / 900);
        var marked = 0f;
        for (var q = nowQuarter - 7 * 96 + 1; q <= nowQuarter; q += 1)
        {
            var slot = (int)((q % (ServiceMemory.Days * 96) + ServiceMemory.Days * 96) % (ServiceMemory.Days * 96));
            var word = memory.Quarters[slot / 96 * 2 + slot % 96 / 48];
            if (word == 0)
            {
                q += 47 - slot % 48;
                continue;
            }

            if ((word >> (slot % 48) & 1) != 0)
            {
                profile[slot % 96]++;
                marked++;
            }
        }

        var days = (float)Math.Min(7, (now - memory.First) / 86400);
        var hours = (float)Math.Min(24, (now - memory.First) / 3600);
        var meanPhase = total * (3f / 60);
        var meanQuarter = marked * (4f / 96);
        long lastQuarter = long.MinValue;
        float day = 0, profiled = 0, week = 0, busy = 0;
        for (var k = 0; k < N; k++)
        {
            var then = now + SlotGrid.Middles[k];
            var quarter = (long)(then / 900);
            if (quarter != lastQuarter)
            {
                lastQuarter = quarter;
                var slot = (int)(quarter % 96);
                var near = profile[(slot + 95) % 96] + 2 * profile[slot] + profile[(slot + 1) % 96];
                profiled = days < 0.5f ? 0 : FastMath.Log((near + 1) / (meanQuarter + 1));
                var past = quarter - 96;
                while (past > nowQuarter)
                {
                    past -= 96;
                }

                day = past * 900 > memory.First - 900 ? memory.Quarter(past) - Math.Min(1, marked / (96 * Math.Max(1, days))) : 0;
                past = quarter - 7 * 96;
                week = past * 900 > memory.First - 900 ? memory.Quarter(past) - Math.Min(1, marked / (96 * Math.Max(1, days))) : 0;
                busy = fleet.BusyThen(quarter);
            }

            var minute = (int)((long)(then / 60) % 60);
            var around = phases[(minute + 59) % 60] + phases[minute] + phases[(minute + 1) % 60];
            Slots[7 * N + k] = hours < 2 ? 0 : FastMath.Log((around + 0.5f) / (meanPhase + 0.5f));
            Slots[8 * N + k] = day;
            Slots[9 * N + k] = profiled;
            Slots[10 * N + k] = week;
            Slots[11 * N + k] = busy;
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
    }
}
