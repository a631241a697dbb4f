namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Pays for a cache out of a day's GB-seconds, pure: 1. ahead, a lease at a time, and no more than is left; 2. half of it over, the next; 3. let go or changed in size, what was not used comes back.
/// What is paid for ends by itself (<see cref="Catalog.CacheMark"/>), so that no budget is overdrawn by a prewarmer that is dead.
/// </summary>
internal static class CacheCharge
{
    /// <summary>Less is not worth loading for.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    /// <param name="status">Of today.</param>
    /// <param name="gigabytes">What it takes; 0: nothing is known yet, so nothing is charged.</param>
    /// <param name="left">GB-seconds of the day that may still be spent, given what the status has spent.</param>
    /// <returns>With <see cref="PrewarmStatus.CacheUntil"/> after now; null: the budget is spent.</returns>
    public static PrewarmStatus? Pay(PrewarmStatus status, double gigabytes, double left, DateTimeOffset now, TimeSpan lease)
    {
        // 3
        if (status.CacheUntil > now && Math.Abs(gigabytes - (status.CacheGb ?? 0)) > 1e-6)
        {
            var before = status.CacheGbSeconds ?? 0;
            status = Return(status, now);
            left += before - (status.CacheGbSeconds ?? 0);
        }

        // 2
        if (status.CacheUntil - now > lease / 2)
        {
            return status;
        }

        // 1
        var from = status.CacheUntil > now ? status.CacheUntil.Value : now;
        var until = Whole(now + lease);
        if (gigabytes > 0 && (until - from).TotalSeconds * gigabytes > left)
        {
            until = Whole(from + TimeSpan.FromSeconds(Math.Max(0, left) / gigabytes));
        }

        if (until > from)
        {
            var cost = (until - from).TotalSeconds * gigabytes;
            status = status with { CacheGb = gigabytes, CacheUntil = until, CacheGbSeconds = Math.Round((status.CacheGbSeconds ?? 0) + cost, 3) };
        }

        return status.CacheUntil - now >= Least ? status : null;
    }

    /// <summary>It is let go: what was paid ahead of today comes back.</summary>
    public static PrewarmStatus Return(PrewarmStatus status, DateTimeOffset now) => status.CacheUntil is null ? status : status with
    {
        CacheGb = null,
        CacheUntil = null,
        CacheGbSeconds = status.CacheUntil > now ? Math.Max(0, (status.CacheGbSeconds ?? 0) - ((status.CacheUntil.Value - now).TotalSeconds * (status.CacheGb ?? 0))) : status.CacheGbSeconds,
    };

    /// <summary>GB-seconds of the day that are over, without what is paid ahead.</summary>
    public static double Used(PrewarmStatus status, DateTimeOffset now) => Return(status.Today(now), now).CacheGbSeconds ?? 0;

    private static DateTimeOffset Whole(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
}
