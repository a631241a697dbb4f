using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Prewarm.Functions.Prewarm;

/// <summary>A logarithm good to 1e-6, which is enough for features, and without a call.</summary>
internal static class FastMath
{
    /// <summary>Natural logarithm of a positive, normal number: exponent and mantissa m in [√½, √2), ln m = 2 artanh((m − 1) / (m + 1)).</summary>
    public static float Log(float x)
    {
        var bits = BitConverter.SingleToInt32Bits(x) - 0x3f3504f3;
        var exponent = bits >> 23;
        var m = BitConverter.Int32BitsToSingle((bits & 0x7fffff) + 0x3f3504f3);
        var s = (m - 1) / (m + 1);
        var square = s * s;
        return 0.6931472f * exponent + 2 * s * (1 + square * (1f / 3 + square * (1f / 5 + square * (1f / 7))));
    }

    /// <summary>The same in place for many at once, then times <paramref name="scale"/>.</summary>
    public static void Log(Span<float> values, float scale = 1)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var k = 0;
        var magic = Vector256.Create(0x3f3504f3);
        for (; k <= values.Length - Vector256<float>.Count; k += Vector256<float>.Count)
        {
            var bits = Vector256.LoadUnsafe(ref start, (nuint)k).AsInt32() - magic;
            var exponent = Vector256.ConvertToSingle(bits >> 23);
            var m = ((bits & Vector256.Create(0x7fffff)) + magic).AsSingle();
            var s = (m - Vector256<float>.One) / (m + Vector256<float>.One);
            var q = s * s;
            var series = Vector256<float>.One + q * (Vector256.Create(1f / 3) + q * (Vector256.Create(1f / 5) + q * Vector256.Create(1f / 7)));
            ((exponent * 0.6931472f + (s + s) * series) * scale).StoreUnsafe(ref start, (nuint)k);
        }

        for (; k < values.Length; k++)
        {
            values[k] = Log(values[k]) * scale;
        }
    }
}
