namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What a row cost more than the best fixed keep-alive in hindsight (or off) would have: cold starts + idle seconds ÷ patience, at the row's own patience.
/// </summary>
/// <param name="Percent">All services together, against the one keep-alive that is best for all of them; below 0: it cost less.</param>
/// <param name="Total">In cold starts, each service against its own best keep-alive, all together; below 0: it cost less.</param>
/// <param name="Worst">The same of the service that it served worst.</param>
internal sealed record Regret(double Percent, double Total, double Worst)
{
    /// <summary>Null when no keep-alive was replayed.</summary>
    public static Regret? Of(PolicyScore row, double patience, IReadOnlyList<PolicyScore> scores)
    {
        PolicyScore[] keeps = [.. scores.Where(s => s.Policy.StartsWith("fixed", StringComparison.Ordinal))];
        if (keeps.Length == 0 || row.Services == 0)
        {
            return null;
        }

        double total = 0, worst = double.MinValue;
        foreach (var (service, mine) in row.ByService)
        {
            double best = mine.Arrivals;
            foreach (var keep in keeps)
            {
                best = Math.Min(best, Cost(keep.ByService[service].Cold, keep.ByService[service].Idle));
            }

            var regret = Cost(mine.Cold, mine.Idle) - best;
            total += regret;
            worst = Math.Max(worst, regret);
        }

        var pooled = Math.Min(row.Arrivals, keeps.Min(k => Cost(k.Cold, k.IdleSeconds)));
        return new Regret(100 * (Cost(row.Cold, row.IdleSeconds) / pooled - 1), total, worst);

        double Cost(long cold, double idle) => cold + idle / patience;
    }
}
