namespace Prewarm.Functions.Prewarm;

/// <summary>A service's own law of gaps and nothing else: how often one ended in a slot, of how long it was watched there.</summary>
internal static class OwnLaw
{
    // It is held back by half an end in a day that nobody watched.
    private const float Unwatched = 43_200f;

    /// <summary>Writes log hazard rates (per second) of the gap that begins.</summary>
    public static void Write(ServiceMemory memory, Span<float> logRates)
    {
        for (var k = 0; k < logRates.Length; k++)
        {
            logRates[k] = MathF.Log((memory.Ends[k] + 1e-6f) / (memory.Watched[k] + (Unwatched * SlotGrid.Widths[k] / SlotGrid.Edges[SlotGrid.Count])));
        }
    }
}
