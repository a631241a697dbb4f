using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>What one model's cache is to be, and why.</summary>
internal readonly record struct CacheOrder(CacheVerdict Verdict, string? Why)
{
    public bool Keep => Verdict is CacheVerdict.Stays or CacheVerdict.Comes;

    /// <summary>It comes with <c>spec.cache.replicas</c> workers: there is no room for more.</summary>
    public bool Fewer { get; init; }
}

/// <summary>
/// All models' caches in one tick: 1. what each plan, and its budget of GB-hours at the price it has come to, asks for; 2. what it is worth by the forecast's law; 3. the choice (<see cref="CachePlanner"/>), and again
/// without those that turn out to serve pods: only of what would go that is asked.
/// </summary>
internal sealed class CacheChoice(FleetForecast forecast, PrewarmOptions options)
{
    /// <summary>A call within this counts as soon: shorter, and every burst would push out what is called every few hours.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromHours(6);

    /// <summary>What has come stays so long, unless there is less room than before.</summary>
    public static readonly TimeSpan Stay = TimeSpan.FromMinutes(10);

    /// <summary>Workers that have been let go are gone by then, whatever is told of them.</summary>
    public static readonly TimeSpan Leave = TimeSpan.FromMinutes(1);

    // Idle seconds of a cache that a read which it saves is worth at the usual price: with NVMe for 0.0002 per GB and hour and waiting for 0.01 a second that is ten days whatever a model's size.
    private const double Patience = 864_000;

    // A cache that a price has sent away comes back when it is so many times as likely to be called as one that may stay: it has to be read for that.
    private const double BackAt = 4;

    // Bytes per second from the store where no load was measured: 1.5 Gbit/s.
    private const double UsualRate = 1.5e9 / 8;

    private readonly Dictionary<ModelKey, DateTimeOffset> _came = [];
    private readonly Dictionary<ModelKey, DateTimeOffset> _left = [];

    /// <summary>Whether caches of a namespace have a limit in GB.</summary>
    public bool Bound(string ns) => Limits.Bind(ns);

    private CacheLimits Limits => new(options.CacheGb, options.NamespaceCacheGb);

    /// <param name="inUse">Whether pods of a model read from its cache now.</param>
    public async Task<Dictionary<ModelKey, CacheOrder>> DecideAsync(IReadOnlyList<ModelLook> looks, DateTimeOffset now, Func<ModelLook, Task<bool>> inUse)
    {
        Keep(looks.Select(l => l.Key).ToHashSet());
        var claims = looks.Where(l => l.Ours).Select(l => Claim(l, now)).ToList();
        var (byKey, limits) = (looks.ToDictionary(l => l.Key), Limits);
        Dictionary<ModelKey, CacheVerdict> verdicts;
        var fewer = new HashSet<ModelKey>();
        bool again;
        do
        {
            // 3
            again = false;
            verdicts = CachePlanner.Plan(claims, limits);
            for (var i = 0; i < claims.Count; i++)
            {
                var look = byKey[claims[i].Model];
                if (claims[i].Wanted && verdicts[look.Key] == CacheVerdict.Away && look.WorkersBack is not null && fewer.Add(look.Key))
                {
                    // There is no room for as many as its pods would need: one that is there with fewer is more than none.
                    claims[i] = claims[i] with { Gigabytes = look.GigabytesLeast };
                    again = true;
                }

                if (verdicts[look.Key] is CacheVerdict.Evicted or CacheVerdict.Idle && await inUse(look))
                {
                    claims[i] = claims[i] with { Bound = true };
                    again = true;
                }
            }
        }
        while (again);

        var orders = verdicts.ToDictionary(v => v.Key, v => Order(v.Value, byKey[v.Key], now) with { Fewer = fewer.Contains(v.Key) });
        foreach (var look in looks.Where(l => !l.Ours))
        {
            orders[look.Key] = new(CacheVerdict.Stays, null);
        }

        return orders;
    }

    /// <summary>It has been taken back now.</summary>
    public void Came(ModelKey key, DateTimeOffset now)
    {
        _came[key] = now;
        _left.Remove(key);
    }

    /// <summary>It has been let go now.</summary>
    public void Left(ModelKey key, DateTimeOffset now)
    {
        _left[key] = now;
        _came.Remove(key);
    }

    /// <summary>GB-seconds of this day that the model's cache may still be kept; infinity: no budget says.</summary>
    public double GbSecondsLeft(ModelLook look, PrewarmStatus today) => Math.Min(
        Left(look.Spec.Budget.CacheGbHours, today.CacheGbSeconds ?? 0),
        Left(options.NamespaceCacheGbHours.TryGetValue(look.Key.Namespace, out var shared) ? shared : null, (today.CacheGbSeconds ?? 0) + look.Others.Caches));

    /// <summary>A budget counts the model's GB-hours.</summary>
    public bool Counted(ModelLook look) => look.Ours && (look.Spec.Budget.CacheGbHours is not null || options.NamespaceCacheGbHours.ContainsKey(look.Key.Namespace));

    /// <summary>It was taken back a moment ago: its workers may still be on their way.</summary>
    public bool Coming(ModelKey key, DateTimeOffset now) => _came.TryGetValue(key, out var came) && now - came < Leave;

    private CacheClaim Claim(ModelLook look, DateTimeOffset now)
    {
        var here = !look.Mark.Gone(now);
        var gigabytes = look.Gigabytes(now);
        var last = look.Last;
        var certain = look.Plan.Pods > 0;
        var (chance, rate) = (0.0, 0.0);
        if (!double.IsNaN(last) && (Bound(look.Key.Namespace) || look.CachePrice > 1))
        {
            // 2
            (chance, rate) = forecast.Soon(MemoryStore.Key(look.Key), look.Memory, look.Spec.Patience, Math.Max(0, (now.ToUnixTimeMilliseconds() / 1000.0) - last),
                Soon.TotalSeconds, Math.Max(look.Spec.CacheLeadSeconds, look.Memory?.Lead(pod: false) ?? 0) + Math.Max(look.Spec.PodLeadSeconds, look.Memory?.Lead(pod: true) ?? 0));
        }

        // 1
        var pays = look.CachePrice <= 1 || certain || look.Plan.Due || rate * Patience / look.CachePrice >= (here ? 1 : BackAt);
        var affordable = !Counted(look) || look.Told.CacheUntil > now || GbSecondsLeft(look, look.Told.Today(now)) >= gigabytes;
        return new(look.Key, gigabytes)
        {
            Beside = look.Beside,
            Here = here,
            Leaving = !here && look.Model.Status?.Locality is { Workers: > 0 } && (look.HandsOff || (_left.TryGetValue(look.Key, out var left) && now - left < Leave)),
            // Paused: it stays as it is, there or away.
            Wanted = look.Plan.Cache && pays && affordable && (here || !look.Spec.Paused),
            Bound = look.Spec.Paused || look.Told.Pods > 0 || look.HandsOff,
            Fresh = _came.TryGetValue(look.Key, out var came) && now - came < Stay,
            Certain = certain || look.Plan.Due,
            Chance = chance,
            ReadSeconds = look.Memory?.Lead(pod: false) is > 0 and var seconds ? seconds : (look.Serving.Bytes ?? 0) / UsualRate,
        };
    }

    private CacheOrder Order(CacheVerdict verdict, ModelLook look, DateTimeOffset now) => new(verdict, verdict switch
    {
        CacheVerdict.Evicted => "its cache is let go: there is no room for it, and what is kept is worth more",
        CacheVerdict.Waits => "its cache comes back when there is room again",
        CacheVerdict.Away or CacheVerdict.Idle when look.Plan.Cache => Counted(look) && GbSecondsLeft(look, look.Told.Today(now)) < look.Gigabytes(now)
            ? "budget: the GB-hours of this day are spent, its cache is away"
            : look.CachePrice > 1 ? "budget: a call is not likely enough to pay for the GB-hours of its cache" : "its cache is away: there is no room for it, and what is kept is worth more",
        _ => null,
    });

    private void Keep(HashSet<ModelKey> models)
    {
        foreach (var times in (Dictionary<ModelKey, DateTimeOffset>[])[_came, _left])
        {
            foreach (var gone in times.Keys.Where(k => !models.Contains(k)).ToList())
            {
                times.Remove(gone);
            }
        }
    }

    private static double Left(double? gbHours, double spent) => gbHours is { } hours ? Math.Max(0, (hours * 3600) - spent) : double.PositiveInfinity;
}
