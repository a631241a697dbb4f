using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>What a model is to have now.</summary>
/// <param name="Pods">Pods to hold up; 0: none.</param>
/// <param name="Until">When that ends; null: nothing is held.</param>
/// <param name="Cache">False: the cache may go.</param>
/// <param name="Why">For a person.</param>
internal sealed record PrewarmPlan(int Pods, DateTimeOffset? Until, bool Cache, string Why)
{
    public static readonly PrewarmPlan Nothing = new(0, null, true, "");
}

/// <summary>
/// Which models are warmed now, pure: 1. nothing while paused; 2. pods in the windows that people gave; 3. pods where the forecast's hazard × patience pays; 4. the cache with the pods, so much earlier, and for
/// a while after the last call.
/// </summary>
internal static class PrewarmPlanner
{
    /// <param name="memory">What was learned of the model's calls; null: nothing.</param>
    /// <param name="last">Unix seconds of the last call; NaN: none is known.</param>
    /// <param name="learned">Pods for a session that the forecast expects.</param>
    public static PrewarmPlan Plan(PrewarmSpec spec, ServiceMemory? memory, double last, int learned, DateTimeOffset now)
    {
        // 1
        if (spec.Paused)
        {
            return PrewarmPlan.Nothing with { Why = "paused" };
        }

        // 2
        var (pods, until, why, faults) = (0, (DateTimeOffset?)null, "", "");
        var (lead, cacheLead) = (TimeSpan.FromSeconds(spec.PodLeadSeconds), TimeSpan.FromSeconds(spec.PodLeadSeconds + spec.CacheLeadSeconds));
        var cache = false;
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

            if (Ends(cron, now, lead) is { } end)
            {
                (pods, until, why) = (Math.Max(pods, window.Pods), until > end ? until : end, $"window \"{window.Cron}\" {window.TimeZone}");
            }

            cache |= Ends(cron, now, cacheLead) is not null;
        }

        // 3
        if (spec.Patience > 0 && memory is { Seen: > 1 } && !double.IsNaN(last) && Forecast(memory, spec.Patience, now.ToUnixTimeMilliseconds() / 1000.0 - last, spec.PodLeadSeconds) is { } seconds)
        {
            var end = DateTimeOffset.FromUnixTimeMilliseconds((long)((last + seconds) * 1000));
            (pods, until, why) = (Math.Max(pods, learned), until > end ? until : end, why.Length > 0 ? why : $"a call is likely enough until {end:u}");
        }

        // 4
        var idle = now.ToUnixTimeMilliseconds() / 1000.0 - last;
        cache |= pods > 0 || spec.Cache != "Release" || idle < spec.CacheIdleMinutes * 60;
        return new(pods, until, cache, faults.Length > 0 ? faults : why.Length > 0 ? why : cache ? "no window, and no call is likely enough to pay for a pod" : "no window and no call for long: the cache is let go");
    }

    /// <summary>When the window ends that is open now or opens within <paramref name="lead"/>; null: none.</summary>
    private static DateTimeOffset? Ends(CronWindow cron, DateTimeOffset now, TimeSpan lead)
    {
        var (open, ahead) = (cron.OpenUntil(now), cron.OpenUntil(now + lead));
        return open > ahead || ahead is null ? open : ahead;
    }

    /// <summary>Seconds after the last call at which the window ends that the forecast keeps open now; null: none.</summary>
    private static double? Forecast(ServiceMemory memory, double patience, double elapsed, double lead)
    {
        Span<float> rates = stackalloc float[SlotGrid.Count];
        for (var k = 0; k < rates.Length; k++)
        {
            // The service's own law, held back by half an end in a day that nobody watched.
            rates[k] = MathF.Log((memory.Ends[k] + 1e-6f) / (memory.Watched[k] + 43_200f * SlotGrid.Widths[k] / SlotGrid.Edges[SlotGrid.Count]));
        }

        Span<ReadyWindow> windows = stackalloc ReadyWindow[SlotGrid.Count];
        var count = WindowRule.Plan(rates, patience, windows);
        foreach (var window in windows[..count])
        {
            if (window.Start - lead <= elapsed && elapsed < window.End)
            {
                return window.End;
            }
        }

        return null;
    }
}
