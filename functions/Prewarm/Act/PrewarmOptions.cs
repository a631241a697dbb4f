namespace Prewarm.Functions.Prewarm;

/// <summary>How the prewarmer acts.</summary>
internal sealed class PrewarmOptions
{
    /// <value>Where what is learned is kept (<c>Prewarm__StateNamespace</c>). Default: prewarm-system.</value>
    public string StateNamespace { get; set; } = "prewarm-system";

    /// <value>Between two ticks of its own (<c>Prewarm__TickSeconds</c>). Default: 10 s.</value>
    public TimeSpan Pace { get; set; } = TimeSpan.FromSeconds(10);

    /// <value>How long a hold lasts that nobody renews (<c>Prewarm__LeaseSeconds</c>). Default: 120 s.</value>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(120);

    /// <value>Pod-hours of all models of a namespace in one UTC day (<c>Prewarm__NamespacePodHours</c>: <c>team-a=10,team-b=2.5</c>). Default: no limits.</value>
    public IReadOnlyDictionary<string, double> NamespacePodHours { get; set; } = new Dictionary<string, double>();

    /// <value>A trace as <c>backtest</c> reads, to begin with where nothing was learned yet (<c>Prewarm__History</c>). Default: none.</value>
    public string? History { get; set; }

    /// <summary>A Revision whose PodAutoscaler has not followed by then belongs to a Knative before 1.21.</summary>
    public TimeSpan Follow { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Reports may be this late and in any order.</summary>
    public TimeSpan Settle { get; set; } = TimeSpan.FromMinutes(3);

    /// <exception cref="FormatException">It cannot be read; the message names the key.</exception>
    public static IReadOnlyDictionary<string, double> Budgets(string? text)
    {
        var budgets = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf('=');
            budgets[at > 0 && double.TryParse(part.AsSpan(at + 1), System.Globalization.CultureInfo.InvariantCulture, out var hours) && hours >= 0 ? part[..at]
                : throw new FormatException($"Prewarm:NamespacePodHours has \"{part}\": write namespace=hours,namespace=hours")] = double.Parse(part.AsSpan(at + 1), System.Globalization.CultureInfo.InvariantCulture);
        }

        return budgets;
    }
}
