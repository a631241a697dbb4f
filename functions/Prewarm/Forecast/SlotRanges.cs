namespace Prewarm.Functions.Prewarm;

/// <summary>For each slot the neighbourhood that a kernel takes in: slots [Low, High) whose middles are within a ratio of its own.</summary>
internal static class SlotRanges
{
    /// <summary>± 70 %.</summary>
    public static readonly (byte Low, byte High)[] Wide = Make(1.7);

    /// <summary>± 15 %.</summary>
    public static readonly (byte Low, byte High)[] Medium = Make(1.15);

    /// <summary>± 3 %, for timers, and at most 25 min: what comes daily is not later the longer its period.</summary>
    public static readonly (byte Low, byte High)[] Narrow = Make(1.03, 1500);

    private static (byte Low, byte High)[] Make(double ratio, double most = double.MaxValue)
    {
        var ranges = new (byte Low, byte High)[SlotGrid.Count];
        for (var k = 0; k < SlotGrid.Count; k++)
        {
            var middle = SlotGrid.Middles[k];
            int low = k, high = k + 1;
            while (low > 0 && SlotGrid.Middles[low - 1] * ratio >= middle && middle - SlotGrid.Middles[low - 1] <= most)
            {
                low--;
            }

            while (high < SlotGrid.Count && SlotGrid.Middles[high] <= middle * ratio && SlotGrid.Middles[high] - middle <= most)
            {
                high++;
            }

            ranges[k] = ((byte)low, (byte)high);
        }

        return ranges;
    }
}
