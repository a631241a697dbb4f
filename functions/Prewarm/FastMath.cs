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
}
