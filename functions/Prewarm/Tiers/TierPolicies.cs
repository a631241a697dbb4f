namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>Decides what is held for a service after an arrival, and what a place in a full cache is worth.</summary>
internal abstract class TierPolicy
{
    /// <param name="rates">Forecast log hazard rates, for a policy that wants them.</param>
    public abstract void Decide(int service, double at, ReadOnlySpan<float> rates, TierPlan plan);

    /// <summary>The cached service of least worth goes when a place is wanted.</summary>
    public abstract double Worth(int service, double now);

    /// <summary>Takes a pod's start, which reads the data, from the cache if it is there.</summary>
    /// <param name="cached">Whether it was there.</param>
    public virtual void Loads(int service, double at, bool cached)
    {
    }

    /// <summary>Takes a pod's end.</summary>
    /// <param name="cached">Whether the data is in the cache then.</param>
    public virtual void Ended(int service, bool cached)
    {
    }

    /// <summary>Takes a caller's wait.</summary>
    /// <param name="first">Whether the cold start was this caller's, and not an earlier one's or a window's.</param>
    public virtual void Waited(int service, bool first, double seconds)
    {
    }

    /// <summary>Whether a newcomer of less worth than all that is cached is not cached.</summary>
    public virtual bool PassesBy => false;
}

/// <summary>How a static policy uses the cache.</summary>
/// <param name="Name">As in the table: none, always, seconds, lru, lfu.</param>
/// <param name="Keep">Seconds that data stays after an arrival, if nothing wants its place.</param>
internal sealed record CacheRule(string Name, double Keep)
{
    /// <summary>For a cache that holds anything.</summary>
    public static readonly CacheRule[] Unlimited =
        [new("none", 0), new("3600", 3600), new("14400", 14400), new("43200", 43200), new("86400", 86400), new("259200", 259200), new("always", double.MaxValue)];

    /// <summary>For a cache of limited size.</summary>
    public static readonly CacheRule[] Limited = [new("none", 0), new("lru", double.MaxValue), new("lfu", double.MaxValue)];

    /// <summary>The clairvoyant bound: keeps what is wanted soonest.</summary>
    public static readonly CacheRule Belady = new("belady", double.MaxValue);
}

/// <summary>Ranks by rules that know no forecast: newest use, most use with a half-life of a day, or (a bound, not a policy) next use.</summary>
internal sealed class CacheRanks(IReadOnlyList<ServiceTrace> services, string rule)
{
    private const double HalfLife = 86400;
    private readonly double[] last = new double[services.Count];
    private readonly double[] uses = new double[services.Count];
    private readonly int[] position = new int[services.Count];

    public void Use(int service, double at)
    {
        uses[service] = uses[service] * Math.Pow(0.5, (at - last[service]) / HalfLife) + 1;
        last[service] = at;
    }

    public double Worth(int service, double now) => rule switch
    {
        "lfu" => uses[service] * Math.Pow(0.5, (now - last[service]) / HalfLife),
        "belady" => -Next(service, now),
        _ => last[service],
    };

    private double Next(int service, double now)
    {
        var arrivals = services[service].Arrivals;
        ref var at = ref position[service];
        while (at < arrivals.Length && arrivals[at] <= now)
        {
            at++;
        }

        return at < arrivals.Length ? arrivals[at] : double.MaxValue;
    }
}

/// <summary>How long all wait together for each second that a cold start's causer does, learned as it goes.</summary>
internal sealed class Waiters
{
    private double all = 600;
    private double causers = 600;

    public double PerCause => all / causers;

    public void Add(bool first, double seconds)
    {
        all += seconds;
        causers += first ? seconds : 0;
        if (all > 20000)
        {
            all /= 2;
            causers /= 2;
        }
    }
}

/// <summary>A pod kept for a fixed time after each arrival (or by the forecast), and one rule for the cache.</summary>
/// <param name="podKeep">Seconds; NaN = where the forecast says a pod pays.</param>
internal sealed class StaticTiers(IReadOnlyList<ServiceTrace> services, TierPrices prices, double podKeep, CacheRule cache) : TierPolicy
{
    private readonly Waiters waiters = new();
    private readonly CacheRanks ranks = new(services, cache.Name);

    /// <inheritdoc/>
    public override bool PassesBy => cache.Name == "belady";

    /// <inheritdoc/>
    public override void Loads(int service, double at, bool cached) => ranks.Use(service, at);

    /// <inheritdoc/>
    public override void Waited(int service, bool first, double seconds) => waiters.Add(first, seconds);

    /// <inheritdoc/>
    public override void Decide(int service, double at, ReadOnlySpan<float> rates, TierPlan plan)
    {
        if (double.IsNaN(podKeep))
        {
            TierRule.Plan(rates, prices, waiters.PerCause, 0, plan);
        }
        else
        {
            plan.Pod[0] = new ReadyWindow(0, podKeep);
            plan.Pods = 1;
        }

        plan.Cache[0] = new ReadyWindow(0, cache.Keep);
        plan.Caches = cache.Keep > 0 ? 1 : 0;
    }

    /// <inheritdoc/>
    public override double Worth(int service, double now) => ranks.Worth(service, now);
}

/// <summary>
/// Cache and pod by the forecast. A full cache keeps what is most likely to be read while it would stay: calls that come while a pod is up read nothing,
/// but after them the service begins anew, and how soon it was read again then is known from before.
/// </summary>
internal sealed class LearnedTiers : TierPolicy
{
    private readonly Waiters waiters = new();
    private readonly (double All, double Causers)[] own;

    // Of each service: whether its last pod left the data in the cache, how often the next found it, and how often it did not.
    private readonly bool[] stayed;
    private readonly double[] reads;
    private readonly double[] misses;
    private double readsAll = 2;
    private double missesAll = 1;
    private readonly float[][] rates;
    private readonly bool[][] up;
    private readonly double[] decided;
    private readonly double[] loaded;

    // Of each service, and of all: expectation of exp(−time to the next read / stay) after a read, as sums of samples.
    private readonly double[] again;
    private readonly double[] samples;
    private double againAll = 0.5;
    private double samplesAll = 1;

    // Seconds that a place is looked ahead for: a middling stay in a full cache, learned as it goes.
    private double stay = 14400;

    // Waits count so much more than they cost. The cost is flat around its least, so at 1.15 it is the same and a tenth less is waited; with a full cache, where
    // each start may also push another's data out, 1.4 costs 1 to 2 % and waits no more than the best static pair.
    private const double Dear = 1.15;
    private const double DearWhenFull = 1.4;

    private readonly TierPrices prices;
    private readonly CacheTournament? tournament;

    public LearnedTiers(int services, TierPrices prices)
    {
        this.prices = prices;
        own = new (double, double)[services];
        reads = new double[services];
        misses = new double[services];
        stayed = new bool[services];
        rates = [.. Enumerable.Range(0, services).Select(_ => new float[SlotGrid.Count])];
        up = [.. Enumerable.Range(0, services).Select(_ => new bool[SlotGrid.Count])];
        decided = new double[services];
        loaded = [.. Enumerable.Repeat(double.NaN, services)];
        again = new double[services];
        samples = new double[services];
        tournament = prices.Places is > 0 and < int.MaxValue ? new CacheTournament(services, prices.Places, Foretold) : null;
    }

    /// <inheritdoc/>
    public override bool PassesBy => true;

    /// <summary>Takes that one was evicted.</summary>
    public void Evicted(int service, double now) => stay += 0.05 * (Math.Clamp(now - decided[service], 600, 172800) - stay);

    /// <inheritdoc/>
    public override void Ended(int service, bool cached) => stayed[service] = cached;

    /// <inheritdoc/>
    public override void Waited(int service, bool first, double seconds)
    {
        waiters.Add(first, seconds);
        own[service].All += seconds;
        own[service].Causers += first ? seconds : 0;
    }

    /// <inheritdoc/>
    public override void Loads(int service, double at, bool cached)
    {
        tournament?.Read(service, at);
        if (stayed[service])
        {
            reads[service] = reads[service] * 0.9 + 1;
            misses[service] = misses[service] * 0.9 + (cached ? 0 : 1);
            readsAll = readsAll * 0.998 + 1;
            missesAll = missesAll * 0.998 + (cached ? 0 : 1);
        }

        if (!double.IsNaN(loaded[service]))
        {
            var sample = Math.Exp(-(at - loaded[service]) / stay);
            again[service] = again[service] * 0.95 + sample;
            samples[service] = samples[service] * 0.95 + 1;
            againAll += sample;
            samplesAll++;
        }

        loaded[service] = at;
    }

    /// <inheritdoc/>
    public override void Decide(int service, double at, ReadOnlySpan<float> logRates, TierPlan plan)
    {
        for (var k = 0; k < logRates.Length; k++)
        {
            rates[service][k] = MathF.Exp(logRates[k]);
        }

        decided[service] = at;

        // Its own callers and its own luck with the cache, each shrunk to what is common.
        const double Common = 600;
        var crowd = (own[service].All + Common * waiters.PerCause) / (own[service].Causers + Common);
        var missing = prices.Places < int.MaxValue ? (misses[service] + 4 * missesAll / readsAll) / (reads[service] + 4) : 0;
        TierRule.Plan(logRates, prices, crowd * (prices.Places < int.MaxValue ? DearWhenFull : Dear), missing, plan);
        Array.Clear(up[service]);
        for (var w = 0; w < plan.Pods; w++)
        {
            for (var k = SlotGrid.Find(plan.Pod[w].Start); k < SlotGrid.Count && SlotGrid.Edges[k] < plan.Pod[w].End; k++)
            {
                up[service][k] = true;
            }
        }

    }

    /// <inheritdoc/>
    public override double Worth(int service, double now) => tournament!.Worth(service, now);

    /// <summary>Expectation of exp(−time / stay) until its data is read next, given that there was no call until now.</summary>
    private double Foretold(int service, double now)
    {
        var age = now - decided[service];
        double worth = 0, left = 1;
        var law = rates[service];
        var renewed = (again[service] + 2 * againAll / samplesAll) / (samples[service] + 2);
        for (var k = SlotGrid.Find(Math.Max(0, age)); k < SlotGrid.Count && left > 1e-4; k++)
        {
            var from = Math.Max(age, SlotGrid.Edges[k]);
            var width = SlotGrid.Edges[k + 1] - from;
            var both = law[k] + 1 / stay;
            var mass = left * law[k] / both * (1 - Math.Exp(-both * width));
            worth += mass * (up[service][k] ? renewed : 1);
            left *= Math.Exp(-both * width);
        }

        return worth;
    }
}
