using System.Globalization;
using System.Text;

namespace Prewarm.Functions.Prewarm;

/// <summary>Draws the fronts, cold starts against waste, both logarithmic, one colour a family of policies.</summary>
internal static class FrontPlot
{
    private const int Width = 820, Height = 560, Left = 70, Right = 150, Top = 20, Bottom = 50;

    private static readonly (string Family, string Colour)[] Families =
        [("learned", "#c0392b"), ("unguarded", "#e67e22"), ("hybrid", "#2471a3"), ("fixed", "#7f8c8d"), ("knative", "#1e8449")];

    public static string Svg(IReadOnlyList<PolicyScore> scores)
    {
        var shown = scores.Where(s => s.IdleSeconds > 0 && s.Cold > 0).ToArray();
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        if (shown.Length > 0)
        {
            Fill(svg, shown);
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void Fill(StringBuilder svg, PolicyScore[] shown)
    {
        var references = shown.Where(s => s.Policy is not ("learned" or "unguarded")).ToArray();
        var frame = references.Length > 0 ? references : shown;
        var (x0, x1) = (Math.Log10(frame.Min(Hours)) - 0.3, Math.Log10(frame.Max(Hours)) + 0.2);
        var (y0, y1) = (Math.Log10(shown.Min(Percent)) - 0.05, Math.Log10(Math.Min(100, frame.Max(Percent))) + 0.1);
        foreach (var (tick, x) in Ticks(x0, x1).Select(t => (t, X(t))))
        {
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{x:F1} {Top}V{Height - Bottom}\" stroke=\"#ddd\"/><text x=\"{x:F1}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{tick:0.######}</text>\n");
        }

        foreach (var (tick, y) in Ticks(y0, y1).Select(t => (t, Y(t))))
        {
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {y:F1}H{Width - Right}\" stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{tick:0.######} %</text>\n");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 12}\" text-anchor=\"middle\">idle pod-hours</text><text transform=\"translate(16 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">cold starts, % of arrivals</text>\n");
        var row = 0;
        foreach (var (family, colour) in Families)
        {
            var points = shown.Where(s => s.Policy.StartsWith(family, StringComparison.Ordinal) && Inside(s)).OrderBy(s => s.IdleSeconds).ToArray();
            if (points.Length == 0)
            {
                continue;
            }

            var best = double.MaxValue;
            var line = new StringBuilder();
            foreach (var s in points)
            {
                svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(Hours(s)):F1}\" cy=\"{Y(Percent(s)):F1}\" r=\"3\" fill=\"{colour}\"><title>{s.Policy} {s.Setting}</title></circle>\n");
                if (s.Cold < best)
                {
                    best = s.Cold;
                    line.Append(CultureInfo.InvariantCulture, $"{(line.Length == 0 ? 'M' : 'L')}{X(Hours(s)):F1} {Y(Percent(s)):F1}");
                }
            }

            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\"/><text x=\"{Width - Right + 12}\" y=\"{Top + 16 + 18 * row++}\" fill=\"{colour}\">{family}</text>\n");
        }

        double X(double hours) => Left + (Math.Log10(hours) - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double percent) => Height - Bottom - (Math.Log10(percent) - y0) / (y1 - y0) * (Height - Top - Bottom);
        bool Inside(PolicyScore s) => Math.Log10(Hours(s)) >= x0 && Math.Log10(Hours(s)) <= x1 && Math.Log10(Percent(s)) <= y1;
    }

    private static double Hours(PolicyScore s) => s.IdleSeconds / 3600;

    private static double Percent(PolicyScore s) => 100.0 * s.Cold / s.Arrivals;

    private static IEnumerable<double> Ticks(double from, double to)
    {
        for (var decade = Math.Floor(from); decade <= to; decade++)
        {
            foreach (var step in new[] { 1, 2, 5 })
            {
                if (Math.Log10(step) + decade is var at && at >= from && at <= to)
                {
                    yield return step * Math.Pow(10, decade);
                }
            }
        }
    }
}
