namespace Prewarm.Functions.Catalog;

/// <summary>What may be warmed ahead of traffic, and its budget. Nothing is, unless it says so.</summary>
internal sealed class PrewarmSpec
{
    /// <summary>Nothing is warmed; what was, is let go at the next tick.</summary>
    public bool Paused { get; set; }

    /// <summary>Idle pod-seconds that one avoided cold start is worth: a pod is kept where the chance of a call pays for it. 0, the default: calls are learned from and nothing is done.</summary>
    public double Patience { get; set; }

    /// <summary>What people know.</summary>
    public List<PrewarmWindow> Windows { get; set => field = value ?? []; } = [];

    /// <summary>Keep, or Release: without calls and windows the cache's workers go, and come back before the next window.</summary>
    public string Cache { get; set => field = value ?? "Keep"; } = "Keep";

    /// <summary>Under Release: minutes after the last call until the cache is let go.</summary>
    public double CacheIdleMinutes { get; set; } = 60;

    /// <summary>Seconds before a window that its pods are asked for.</summary>
    public int PodLeadSeconds { get; set; } = 60;

    /// <summary>Seconds before the pods that the cache is asked for.</summary>
    public int CacheLeadSeconds { get; set; } = 300;

    /// <summary>
    /// Cache workers at most, and so nodes with a copy, that a cache is taken back with where the pods that are expected would read more than <c>spec.cache.replicas</c> nodes give; null: never more than those.
    /// </summary>
    public int? MaxCacheWorkers { get; set; }
    public PrewarmBudget Budget { get; set => field = value ?? new(); } = new();
}

/// <summary>From every time that a cron expression names, for so long.</summary>
internal sealed class PrewarmWindow
{
    /// <summary>Minute, hour, day of the month, month, day of the week.</summary>
    public string Cron { get; set => field = value ?? ""; } = "";

    /// <summary>An IANA name, as Asia/Shanghai.</summary>
    public string TimeZone { get; set => field = value ?? "UTC"; } = "UTC";
    public double Minutes { get; set; } = 60;

    /// <summary>Pods to hold up; max-scale stands above it.</summary>
    public int Pods { get; set; } = 1;
}

internal sealed class PrewarmBudget
{
    /// <summary>Pod-hours that may be held in one UTC day; null: no limit.</summary>
    public double? PodHours { get; set; }

    /// <summary>GB-hours (10^9 bytes, all copies) that the serving version's cache may be kept in one UTC day; null: no limit.</summary>
    public double? CacheGbHours { get; set; }
}
