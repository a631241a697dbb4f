using System.Globalization;

namespace Prewarm.Functions.Warm;

/// <summary>Fluid's size strings, such as <c>3.14GiB</c> and <c>0.00B</c>.</summary>
internal static class ByteSize
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Bytes of a Fluid size string; null when it is not one (<c>[Calculating]</c>).</summary>
    public static double? Parse(string? text)
    {
        if (string.IsNullOrEmpty(text) || UnitOf(text) is not { } unit)
        {
            return null;
        }

        // Neither NaN nor infinity nor less than nothing: a verdict on warmth is computed from it.
        return double.TryParse(text.AsSpan(0, text.Length - Units[unit].Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value * Math.Pow(1024, unit))
            ? value * Math.Pow(1024, unit)
            : null;
    }

    /// <summary>What rounding to two decimals can hide, in bytes.</summary>
    public static double Rounding(string text) => UnitOf(text) is { } unit ? 0.005 * Math.Pow(1024, unit) : 0;

    public static string Format(double bytes)
    {
        var unit = 0;
        while (bytes >= 1024 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return bytes.ToString("0.00", CultureInfo.InvariantCulture) + Units[unit];
    }

    private static int? UnitOf(string text)
    {
        // Longest unit first: "GiB" also ends with "B".
        var unit = Array.FindLastIndex(Units, u => text.EndsWith(u, StringComparison.Ordinal));
        return unit < 0 ? null : unit;
    }
}
