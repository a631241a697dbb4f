using System.Globalization;

namespace Prewarm.Functions.Warm;

/// <summary>Kubernetes quantities (apimachinery, resource.Quantity): a decimal number, then k, M, G, T, P, E, or these but k with an i, or an exponent of ten, or m, u, n.</summary>
internal static class Quantity
{
    private const string Binary = "KMGTPE";
    private const string Decimal = "kMGTPE";
    private const string Small = "mun";
    private static readonly int MaxLength = 64;

    /// <summary>The value; null when the text is no quantity. <c>50K</c> is none: kilo is <c>k</c>, and 1024 is <c>Ki</c>.</summary>
    public static double? Parse(string? text)
    {
        if (text is null or "" || text.Length > MaxLength)
        {
            return null;
        }

        var digits = 0;
        var dots = 0;
        var i = text[0] is '+' or '-' ? 1 : 0;
        for (; i < text.Length && (char.IsAsciiDigit(text[i]) || text[i] == '.'); i++)
        {
            (digits, dots) = text[i] == '.' ? (digits, dots + 1) : (digits + 1, dots);
        }

        return digits > 0 && dots <= 1 && Factor(text[i..]) is { } factor
            && double.TryParse(text.AsSpan(0, i), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number * factor)
            ? number * factor
            : null;
    }

    /// <summary>The smallest whole number of Ki, Mi, Gi or Ti that holds so many bytes, with at most four digits.</summary>
    public static string AtLeast(double bytes)
    {
        var unit = 1;
        while (unit < 4 && bytes > 9999 * Math.Pow(1024, unit))
        {
            unit++;
        }

        return $"{Math.Max(1, Math.Ceiling(bytes / Math.Pow(1024, unit))).ToString(CultureInfo.InvariantCulture)}{Binary[unit - 1]}i";
    }

    private static double? Factor(string suffix) => suffix switch
    {
        "" => 1,
        [var unit] when Decimal.Contains(unit) => Math.Pow(1000, Decimal.IndexOf(unit) + 1),
        [var unit] when Small.Contains(unit) => Math.Pow(1000, -Small.IndexOf(unit) - 1),
        [var unit, 'i'] when Binary.Contains(unit) => Math.Pow(1024, Binary.IndexOf(unit) + 1),
        ['e' or 'E', .. var power] when int.TryParse(power, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent) => Math.Pow(10, Math.Clamp(exponent, -400, 400)),
        _ => null,
    };
}
