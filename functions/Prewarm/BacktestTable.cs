using System.Globalization;
using System.Text;

namespace Prewarm.Functions.Prewarm;

/// <summary>Scores as CSV, and as a table for a person.</summary>
internal static class BacktestTable
{
    public static string Csv(IReadOnlyList<PolicyScore> scores)
    {
        var text = new StringBuilder("policy,setting,services,arrivals,cold,cold_p75_percent,cold_excluding_first,idle_seconds\n");
        foreach (var s in scores)
        {
            text.Append(CultureInfo.InvariantCulture, $"{s.Policy},{s.Setting},{s.Services},{s.Arrivals},{s.Cold},");
            text.Append(double.IsNaN(s.ColdP75Percent) ? "" : s.ColdP75Percent.ToString("F3", CultureInfo.InvariantCulture));
            text.Append(CultureInfo.InvariantCulture, $",{s.ColdExcludingFirst},{s.IdleSeconds:F3}\n");
        }

        return text.ToString();
    }

    public static string Text(IReadOnlyList<PolicyScore> scores)
    {
        var ten = scores.FirstOrDefault(s => s.Policy == "fixed-600");
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{scores[0].Services} services, {scores[0].Arrivals} arrivals\n");
        text.Append("policy                   setting    cold %  cold % at p75  cold without firsts  idle pod-hours  of a 10-minute keep-alive\n");
        foreach (var s in scores)
        {
            var ratio = ten is null ? "" : (s.IdleSeconds / ten.IdleSeconds).ToString("F3", CultureInfo.InvariantCulture);
            text.Append(CultureInfo.InvariantCulture, $"{s.Policy,-22} {(s.Policy == "learned" || s.Policy == "knative" ? s.Setting : ""),9} {100.0 * s.Cold / s.Arrivals,9:F2} {s.ColdP75Percent,14:F1} {s.ColdExcludingFirst,20} {s.IdleSeconds / 3600,15:F2} {ratio,26}\n");
        }

        return text.ToString();
    }
}
