using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

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
        ulong before = 0;
        for (var from = 0; from < logRates.Length; from += 64)
        {
            var warm = AtLeast(logRates.Slice(from, Math.Min(64, logRates.Length - from)), threshold);
            var changes = warm ^ (warm << 1 | before);
            before = warm >> 63;
            for (; changes != 0; changes &= changes - 1)
            {
                var k = from + BitOperations.TrailingZeroCount(changes);
                if (start < 0)
                {
                    start = k;
                    continue;
                }

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

    // A bit for each of up to 64 slots.
    private static ulong AtLeast(ReadOnlySpan<float> logRates, float threshold)
    {
        ulong bits = 0;
        var k = 0;
        ref var first = ref MemoryMarshal.GetReference(logRates);
        var limit = Vector256.Create(threshold);
        for (; k <= logRates.Length - Vector256<float>.Count; k += Vector256<float>.Count)
        {
            bits |= (ulong)Vector256.GreaterThanOrEqual(Vector256.LoadUnsafe(ref first, (nuint)k), limit).ExtractMostSignificantBits() << k;
        }

        for (; k < logRates.Length; k++)
        {
            bits |= logRates[k] >= threshold ? 1UL << k : 0;
        }

        return bits;
    }
}
