namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Compares two fronts of (waste, cold starts): at each of the reference's non-dominated points, how many cold starts fewer the candidate has at equal waste,
/// and how much less it wastes at equal cold starts, both interpolated along its front on logarithms; a point beyond the candidate's ends counts −1.
/// </summary>
internal static class FrontScore
{
    public static (double FewerCold, double LessWaste) Compare(IReadOnlyList<(double Waste, double Cold)> candidate, IReadOnlyList<(double Waste, double Cold)> reference)
    {
        var mine = Front(candidate);
        var theirs = Front(reference);
        var turned = mine.Select(p => (p.Cold, p.Waste)).Order().ToList();
        return (theirs.Average(p => At(mine, p.Waste) is { } y ? 1 - y / p.Cold : -1), theirs.Average(p => At(turned, p.Cold) is { } y ? 1 - y / p.Waste : -1));
    }

    /// <summary>The same with intervals: services are drawn again, with replacement.</summary>
    /// <returns>5th, 50th and 95th percentile of both.</returns>
    public static ((double Low, double Middle, double High) FewerCold, (double Low, double Middle, double High) LessWaste) Bootstrap(
        IReadOnlyList<PolicyScore> candidate, IReadOnlyList<PolicyScore> reference, int draws, int seed)
    {
        int[] services = [.. candidate[0].ByService.Keys];
        var random = new Random(seed);
        var cold = new double[draws];
        var waste = new double[draws];
        for (var d = 0; d < draws; d++)
        {
            var drawn = random.GetItems(services, services.Length);
            (cold[d], waste[d]) = Compare([.. candidate.Select(s => Sum(s, drawn))], [.. reference.Select(s => Sum(s, drawn))]);
        }

        return (Percentiles(cold), Percentiles(waste));
    }

    private static (double Waste, double Cold) Sum(PolicyScore score, int[] services)
    {
        double waste = 0, cold = 0;
        foreach (var s in services)
        {
            var of = score.ByService[s];
            waste += of.Idle;
            cold += of.Cold;
        }

        return (waste, cold);
    }

    private static (double Low, double Middle, double High) Percentiles(double[] values)
    {
        Array.Sort(values);
        return (At(0.05), At(0.5), At(0.95));

        double At(double share) => values[(int)(share * (values.Length - 1) + 0.5)];
    }

    private static List<(double Waste, double Cold)> Front(IReadOnlyList<(double Waste, double Cold)> points)
    {
        var front = new List<(double Waste, double Cold)>();
        var best = double.MaxValue;
        foreach (var point in points.Order())
        {
            if (point.Cold < best)
            {
                front.Add(point);
                best = point.Cold;
            }
        }

        return front;
    }

    // The candidate's second number where its first is at most x; null if even its smallest first is larger.
    private static double? At(List<(double X, double Y)> points, double x)
    {
        if (x < points[0].X)
        {
            return null;
        }

        for (var i = 1; i < points.Count; i++)
        {
            var ((x0, y0), (x1, y1)) = (points[i - 1], points[i]);
            if (x <= x1)
            {
                return x1 > x0 && x0 > 0 && y0 > 0 && y1 > 0 ? y0 * Math.Pow(y1 / y0, Math.Log(x / x0) / Math.Log(x1 / x0)) : y0;
            }
        }

        return points[^1].Y;
    }
}
