using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>What a model is to have now.</summary>
/// <param name="Pods">Pods to hold up; 0: none.</param>
/// <param name="Until">When that ends; null: nothing is held.</param>
/// <param name="Cache">False: the cache may go.</param>
/// <param name="Why">For a person.</param>
/// <param name="Due">The cache is asked for by a window that people gave: a call is certain.</param>
/// <param name="Ahead">Pods that the cache is asked for: those of windows whose cache's time has come, too.</param>
internal sealed record PrewarmPlan(int Pods, DateTimeOffset? Until, bool Cache, string Why, bool Due = false, int Ahead = 0)
{
    public static readonly PrewarmPlan Nothing = new(0, null, true, "");
}

/// <summary>
/// Which models are warmed now, pure: 1. nothing while paused; 2. pods in the windows that people gave; 3. pods where the forecast's hazard × patience pays; 4. the cache with the pods, so much earlier, and for
/// a while after the last call.
/// </summary>
internal static class PrewarmPlanner
{
    /// <param name="expected">Windows after the last call in which one is likely enough; none where nothing was learned.</param>
    /// <param name="last">Unix seconds of the last call; NaN: none is known.</param>
    /// <param name="learned">Pods for a session that the forecast expects.</param>
    /// <param name="loads">Measured seconds that the cache takes to load, at the 95th percentile; 0: not known. Where it is more than what the spec says the cache comes so much earlier.</param>
    /// <param name="starts">The same of a pod.</param>
    public static PrewarmPlan Plan(PrewarmSpec spec, ReadOnlySpan<ReadyWindow> expected, double last, int learned, DateTimeOffset now, double loads = 0, double starts = 0)
    {
        // 1
        if (spec.Paused)
        {
            return PrewarmPlan.Nothing with { Why = "paused" };
        }

        // 2
        var (pods, until, why, faults) = (0, (DateTimeOffset?)null, "", "");
        var lead = TimeSpan.FromSeconds(Math.Max(spec.PodLeadSeconds, starts));
        var cacheLead = lead + TimeSpan.FromSeconds(Math.Max(spec.CacheLeadSeconds, loads));
        var (cache, ahead) = (false, 0);
        foreach (var window in spec.Windows)
        {
            CronWindow cron;
            try
            {
                cron = CronWindow.Parse(window.Cron, TimeSpan.FromMinutes(window.Minutes), window.TimeZone);
            }
            catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
            {
                faults = $"spec.prewarm.windows: {e.Message}";
                continue;
            }

            if (cron.OpenUntil(now, lead) is { } end)
            {
                (pods, until, why) = (Math.Max(pods, window.Pods), until > end ? until : end, $"window \"{window.Cron}\" {window.TimeZone}");
            }

            if (cron.OpenUntil(now, cacheLead) is not null)
            {
                (cache, ahead) = (true, Math.Max(ahead, window.Pods));
            }
        }

        var due = cache;
        // 3
        var idle = Math.Max(0, (now.ToUnixTimeMilliseconds() / 1000.0) - last);
        if (Open(expected, idle, lead.TotalSeconds) is { } seconds)
        {
            var end = DateTimeOffset.FromUnixTimeMilliseconds((long)((last + seconds) * 1000));
            (pods, until, why) = (Math.Max(pods, learned), until > end ? until : end, why.Length > 0 ? why : $"a call is likely enough until {end:u}");
        }

        if (Open(expected, idle, cacheLead.TotalSeconds) is not null)
        {
            (cache, ahead) = (true, Math.Max(ahead, learned));
        }

        // 4
        cache |= pods > 0 || spec.Cache != "Release" || idle < spec.CacheIdleMinutes * 60;
        return new(pods, until, cache, faults.Length > 0 ? faults : why.Length > 0 ? why : cache ? "no window, and no call is likely enough to pay for a pod" : "no window and no call for long: the cache is let go", due, ahead);
    }

    /// <summary>Seconds after the last call at which the window ends that is open now or opens within <paramref name="lead"/>; null: none.</summary>
    private static double? Open(ReadOnlySpan<ReadyWindow> windows, double elapsed, double lead)
    {
        foreach (var window in windows)
        {
            if (window.Start - lead <= elapsed && elapsed < window.End)
            {
                return window.End;
            }
        }

        return null;
    }
}
