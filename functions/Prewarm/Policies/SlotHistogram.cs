namespace Prewarm.Functions.Prewarm;

/// <summary>
/// The window of <see cref="HybridHistogram"/> (4 h, 5th to 99th percentile, 10 minutes when it says nothing), from what a <see cref="ServiceMemory"/> keeps anyway: a gap counts evenly in the minutes of its slot,
/// old ones count less, and gaps beyond the range are foretold by the mean of the last eight long ones.
/// </summary>
internal static class SlotHistogram
{
    private const int Minutes = 240;
    private const double Fallback = 600;

    public static ReadyWindow Window(ServiceMemory memory)
    {
        Span<float> bins = stackalloc float[Minutes];
        bins.Clear();
        float inside = 0, outside = 0;
        for (var k = 0; k < SlotGrid.Count; k++)
        {
            var first = (int)(SlotGrid.Edges[k] / 60);
            if (first >= Minutes)
            {
                outside += memory.Ends[k];
                continue;
            }

            inside += memory.Ends[k];
            var wide = Math.Max(1, (int)(SlotGrid.Widths[k] / 60));
            for (var m = first; m < Math.Min(Minutes, first + wide); m++)
            {
                bins[m] += memory.Ends[k] / wide;
            }
        }

        if (inside + outside <= 0)
        {
            return new(0, Fallback);
        }

        var known = Math.Min(memory.LongSeen, ServiceMemory.LongGaps);
        if (outside >= inside && known > 0)
        {
            float sum = 0;
            foreach (var gap in memory.Long.AsSpan(0, known))
            {
                sum += gap;
            }

            return new(0.85 * sum / known, 1.15 * sum / known);
        }

        float squares = 0;
        foreach (var bin in bins)
        {
            squares += bin * bin;
        }

        var mean = inside / Minutes;
        return MathF.Sqrt(MathF.Max(0, (squares / Minutes) - (mean * mean))) < 2 * mean
            ? new(0, Fallback)
            : new(0.90 * 60 * Bin(bins, 0.05f * inside), 1.10 * 60 * (Bin(bins, 0.99f * inside) + 1));
    }

    /// <summary>The first bin at which the counts so far reach what is wanted.</summary>
    private static int Bin(ReadOnlySpan<float> bins, float wanted)
    {
        float sum = 0;
        for (var i = 0; i < bins.Length; i++)
        {
            sum += bins[i];
            if (sum >= wanted && sum > 0)
            {
                return i;
            }
        }

        return bins.Length - 1;
    }
}
