using System.Globalization;

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

    /// <value>GB (10^9 bytes) that all models' caches may take (<c>Prewarm__CacheGB</c>). Default: no limit.</value>
    public double? CacheGb { get; set; }

    /// <value>The same of each namespace (<c>Prewarm__NamespaceCacheGB</c>: <c>team-a=200,team-b=50</c>). Default: no limits.</value>
    public IReadOnlyDictionary<string, double> NamespaceCacheGb { get; set; } = new Dictionary<string, double>();

    /// <value>GB-hours of all models' caches of a namespace in one UTC day (<c>Prewarm__NamespaceCacheGBHours</c>: <c>team-a=1000</c>). Default: no limits.</value>
    public IReadOnlyDictionary<string, double> NamespaceCacheGbHours { get; set; } = new Dictionary<string, double>();

    /// <value>GB per second that one node's network gives to those who read its cache (<c>Prewarm__NodeGBs</c>). Default: 1.25, 10 Gbit/s.</value>
    public double NodeGbs { get; set; } = 1.25;

    /// <value>A trace as <c>backtest</c> reads, to begin with where nothing was learned yet (<c>Prewarm__History</c>). Default: none.</value>
    public string? History { get; set; }

    /// <summary>A Revision whose PodAutoscaler has not followed by then belongs to a Knative before 1.21.</summary>
    public TimeSpan Follow { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Reports may be this late and in any order.</summary>
    public TimeSpan Settle { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>A cache that a budget pays for is paid for so long ahead.</summary>
    public TimeSpan CacheLease { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>Numbers by namespace.</summary>
    /// <exception cref="FormatException">It cannot be read; the message names the key.</exception>
    public static IReadOnlyDictionary<string, double> Budgets(string? text, string key = "NamespacePodHours")
    {
        var budgets = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf('=');
            budgets[at > 0 ? part[..at] : ""] = at > 0 && Number(part.AsSpan(at + 1)) is { } number ? number : throw new FormatException($"Prewarm__{key} has \"{part}\": write namespace=number,namespace=number, decimals with a point");
        }

        return budgets;
    }

    /// <summary>One number, 0 or more; null: not given.</summary>
    /// <param name="positive">0 is none either.</param>
    /// <exception cref="FormatException">It cannot be read; the message names the key.</exception>
    public static double? Amount(string? text, string key, bool positive = false) =>
        string.IsNullOrWhiteSpace(text) ? null
            : Number(text) is { } number && (number > 0 || !positive) ? number
            : throw new FormatException($"Prewarm__{key} is \"{text}\": write a number{(positive ? " above 0" : ", 0 or more")}, decimals with a point");

    private static double? Number(ReadOnlySpan<char> text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= 0 && double.IsFinite(number) ? number : null;
}
