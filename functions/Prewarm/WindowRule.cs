namespace Prewarm.Functions.Prewarm;

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
