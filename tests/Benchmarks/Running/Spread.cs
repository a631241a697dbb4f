using System.Globalization;

namespace Prewarm.Tests.Benchmarks.Running;

/// <summary>Several measurements of one thing.</summary>
internal sealed class Spread(IEnumerable<double> values)
{
    private readonly double[] _sorted = [.. values.Order()];

    public double Median => At(0.5);

    /// <param name="part">0 to 1; the value that this part of the measurements does not exceed (nearest rank).</param>
    public double At(double part) => _sorted.Length == 0 ? double.NaN : _sorted[Math.Clamp((int)Math.Ceiling(part * _sorted.Length) - 1, 0, _sorted.Length - 1)];

    /// <summary>The median and, in brackets, the smallest and the largest.</summary>
    public string Show(string format = "0") => _sorted.Length == 0 ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{Median.ToString(format, CultureInfo.InvariantCulture)} ({_sorted[0].ToString(format, CultureInfo.InvariantCulture)}–{_sorted[^1].ToString(format, CultureInfo.InvariantCulture)})");
}
