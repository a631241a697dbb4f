using System.Globalization;
using System.Text;

namespace Prewarm.Functions.Prewarm;

/// <summary>Scores as CSV, and as a table for a person.</summary>
internal static class BacktestTable
{
    public static string Csv(IReadOnlyList<PolicyScore> scores)
    {
        var tiers = scores.Any(s => s.Tiers is not null);
        var text = new StringBuilder("policy,setting,services,arrivals,cold,cold_p75_percent,cold_excluding_first,idle_seconds");
        text.Append(tiers ? ",wait_p50,wait_p95,wait_p99,pod_hours,cache_gb_hours,remote_gb,cost,wait_seconds,prefetches\n" : ",regret_percent,regret,regret_worst\n");
        foreach (var s in scores)
        {
            text.Append(CultureInfo.InvariantCulture, $"{s.Policy},{s.Setting},{s.Services},{s.Arrivals},{s.Cold},");
            text.Append(double.IsNaN(s.ColdP75Percent) ? "" : s.ColdP75Percent.ToString("F3", CultureInfo.InvariantCulture));
            text.Append(CultureInfo.InvariantCulture, $",{s.ColdExcludingFirst},{s.IdleSeconds:F3}");
            if (s.Tiers is { } t)
            {
                text.Append(CultureInfo.InvariantCulture, $",{t.Quantile(0.5):F3},{t.Quantile(0.95):F3},{t.Quantile(0.99):F3},{t.PodHours:F3},{t.CacheGbHours:F3},{t.RemoteGb:F1},{t.Cost:F3},{t.WaitSeconds:F1},{t.Prefetches}");
            }

            else if (!tiers)
            {
                text.Append(Against(s, scores) is { } r ? string.Create(CultureInfo.InvariantCulture, $",{r.Percent:F3},{r.Total:F2},{r.Worst:F2}") : ",,,");
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    // Rows with a patience only.
    private static Regret? Against(PolicyScore row, IReadOnlyList<PolicyScore> scores) =>
        row.Policy is "learned" or "unguarded" ? Regret.Of(row, double.Parse(row.Setting, CultureInfo.InvariantCulture), scores) : null;

    /// <summary>The forecast's front against the keep-alives' and the hybrid histograms', with intervals over services.</summary>
    public static string Fronts(IReadOnlyList<PolicyScore> scores, int draws)
    {
        var text = new StringBuilder();
        var learned = scores.Where(s => s.Policy == "learned").ToList();
        foreach (var family in new[] { "fixed", "hybrid" })
        {
            var reference = scores.Where(s => s.Policy.StartsWith(family, StringComparison.Ordinal)).ToList();
            if (learned.Count > 0 && reference.Count > 0)
            {
                var (cold, waste) = FrontScore.Compare([.. learned.Select(s => (s.IdleSeconds, (double)s.Cold))], [.. reference.Select(s => (s.IdleSeconds, (double)s.Cold))]);
                var (coldIn, wasteIn) = FrontScore.Bootstrap(learned, reference, draws, seed: 1);
                text.Append(CultureInfo.InvariantCulture, $"learned against {family}: {100 * cold:F1} % fewer cold starts at equal waste (90 % of draws {100 * coldIn.Low:F1} to {100 * coldIn.High:F1}), {100 * waste:F1} % less waste at equal cold starts ({100 * wasteIn.Low:F1} to {100 * wasteIn.High:F1})\n");
            }
        }

        return text.ToString();
    }

    private static string Tiered(IReadOnlyList<PolicyScore> scores)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{scores[0].Services} services, {scores[0].Arrivals} arrivals\n");
        text.Append("policy       cache                  cold %   wait p50    p95    p99  pod-hours  cache GB-hours  remote GB       cost\n");
        foreach (var s in scores.OrderBy(s => s.Tiers!.Cost))
        {
            var t = s.Tiers!;
            text.Append(CultureInfo.InvariantCulture, $"{s.Policy,-12} {s.Setting,-20} {100.0 * s.Cold / s.Arrivals,8:F2} {t.Quantile(0.5),10:F1} {t.Quantile(0.95),6:F1} {t.Quantile(0.99),6:F1} {t.PodHours,10:F1} {t.CacheGbHours,15:F0} {t.RemoteGb,10:F0} {t.Cost,10:F2}\n");
        }

        return text.ToString();
    }

    /// <param name="tenMinutes">Idle seconds of a 10-minute keep-alive on the same services.</param>
    public static string Text(IReadOnlyList<PolicyScore> scores, double tenMinutes)
    {
        if (scores[0].Tiers is not null)
        {
            return Tiered(scores);
        }

        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{scores[0].Services} services, {scores[0].Arrivals} arrivals\n");
        text.Append("policy                   setting    cold %  cold % at p75  cold without firsts  idle pod-hours  of a 10-minute keep-alive  against the best keep-alive\n");
        foreach (var s in scores)
        {
            var ratio = tenMinutes > 0 ? (s.IdleSeconds / tenMinutes).ToString("F3", CultureInfo.InvariantCulture) : "–";
            var quartile = double.IsNaN(s.ColdP75Percent) ? "–" : s.ColdP75Percent.ToString("F1", CultureInfo.InvariantCulture);
            var regret = Against(s, scores) is { } r ? string.Create(CultureInfo.InvariantCulture, $"{r.Percent,15:+0.0;-0.0} % (worst service {r.Worst:+0.0;-0.0} cold starts)") : "";
            text.Append(CultureInfo.InvariantCulture, $"{s.Policy,-22} {(s.Policy is "learned" or "unguarded" or "knative" ? s.Setting : ""),9} {100.0 * s.Cold / s.Arrivals,9:F2} {quartile,14} {s.ColdExcludingFirst,20} {s.IdleSeconds / 3600,15:F2} {ratio,26}{regret}\n");
        }

        return text.ToString();
    }
}
