using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm.Tiers;

/// <summary>
/// Replays all services together against one policy: a pod starts when a caller comes or its window nears, as much earlier as its load takes from where its
/// data is; it ends with its window, which is another when the data has left a cache of limited size; who comes during a load waits for the rest of it; the
/// first read of a model's data also fills its place in the cache, if it gets one.
/// </summary>
internal sealed class TierReplay
{
    private readonly IReadOnlyList<ServiceTrace> services;
    private readonly TierPrices prices;
    private readonly TierPolicy policy;
    private readonly PolicyScore score;
    private readonly TierScore tiers;
    private readonly PriorityQueue<Due, (double At, long Order)> queue = new();
    private readonly State[] states;
    private readonly List<int> cached = [];
    private readonly TierPlan plan = new();
    private readonly long[] cold;
    private readonly double[] idle;
    private long order;

    public TierReplay(IReadOnlyList<ServiceTrace> services, TierPrices prices, TierPolicy policy, PolicyScore score)
    {
        this.services = services;
        this.prices = prices;
        this.policy = policy;
        this.score = score;
        tiers = score.Tiers = new TierScore(prices);
        states = new State[services.Count];
        cold = new long[services.Count];
        idle = new double[services.Count];
        Array.Fill(states, new State { PodBegan = double.NaN, CachedSince = double.NaN });
    }

    private enum What
    {
        PodStart,
        PodEnd,
        UncachedStart,
        UncachedEnd,
        Fetch,
        CacheEnd,
    }

    /// <summary>An arrival, in order of time over all services.</summary>
    public void Arrive(int service, double at, ReadOnlySpan<float> rates)
    {
        Until(at);
        ref var state = ref states[service];
        var first = double.IsNaN(state.PodBegan);
        if (first)
        {
            Start(service, at);
        }

        var wait = Math.Max(0, state.PodReady - at);
        tiers.Wait(wait);
        cold[service] += wait > 0 ? 1 : 0;
        policy.Waited(service, first, wait);
        idle[service] += Math.Max(0, at - Math.Max(state.PodReady, state.Last));
        state.Last = at;
        state.Stamp++;
        policy.Decide(service, at, rates, plan);
        Schedule(service, at, ref state);
    }

    /// <summary>Ends every service at the end of its observation.</summary>
    public void Finish()
    {
        foreach (var s in Enumerable.Range(0, services.Count).OrderBy(s => services[s].End))
        {
            var end = services[s].End;
            Until(end);
            states[s].Stamp++;
            EndPod(s, end);
            Drop(s, end);
        }

        for (var s = 0; s < services.Count; s++)
        {
            score.Add(services[s].Arrivals.Length, cold[s], idle[s], s);
        }
    }

    // What is wanted again before it could be let go and be back is not let go.
    private void Schedule(int service, double at, ref State state)
    {
        var ready = Math.Max(state.PodReady, at);
        var until = Hold(plan.Pod, plan.Pods, at, ready, prices.StartLocal, out var next);
        Add(until, What.PodEnd, service, state.Stamp);
        for (var w = next; w < plan.Pods; w++)
        {
            Add(at + plan.Pod[w].Start - prices.StartLocal, What.PodStart, service, state.Stamp);
            Add(at + plan.Pod[w].End, What.PodEnd, service, state.Stamp);
        }

        var (uncached, count) = plan.Uncacheds < 0 ? (plan.Pod, plan.Pods) : (plan.Uncached, plan.Uncacheds);
        until = Hold(uncached, count, at, ready, prices.StartRemote, out next);
        Add(until, What.UncachedEnd, service, state.Stamp);
        for (var w = next; w < count; w++)
        {
            Add(at + uncached[w].Start - prices.StartRemote, What.UncachedStart, service, state.Stamp);
            Add(at + uncached[w].End, What.UncachedEnd, service, state.Stamp);
        }

        until = Hold(plan.Cache, plan.Caches, at, at, prices.Fetch, out next);
        Add(until, What.CacheEnd, service, state.Stamp);
        for (var w = next; w < plan.Caches; w++)
        {
            Add(at + plan.Cache[w].Start - prices.Fetch, What.Fetch, service, state.Stamp);
            Add(at + plan.Cache[w].End, What.CacheEnd, service, state.Stamp);
        }
    }

    private static double Hold(ReadyWindow[] windows, int count, double at, double until, double lead, out int next)
    {
        for (next = 0; next < count && at + windows[next].Start - lead <= until; next++)
        {
            until = Math.Max(until, at + windows[next].End);
        }

        return until;
    }

    private void Add(double at, What what, int service, int stamp)
    {
        if (at < services[service].End)
        {
            queue.Enqueue(new Due(what, service, stamp), (at, order++));
        }
    }

    private void Until(double time)
    {
        while (queue.TryPeek(out var due, out var when) && when.At <= time)
        {
            queue.Dequeue();
            if (due.Stamp != states[due.Service].Stamp)
            {
                continue;
            }

            switch (due.What)
            {
                case What.PodStart when double.IsNaN(states[due.Service].PodBegan):
                    Start(due.Service, when.At);
                    break;
                case What.UncachedStart when double.IsNaN(states[due.Service].PodBegan) && double.IsNaN(states[due.Service].CachedSince):
                    Start(due.Service, when.At);
                    break;
                case What.PodEnd when !double.IsNaN(states[due.Service].CachedSince):
                case What.UncachedEnd:
                    EndPod(due.Service, when.At);
                    break;
                case What.Fetch when double.IsNaN(states[due.Service].CachedSince) && Admit(due.Service, when.At):
                    tiers.RemoteGb += prices.ModelGb;
                    tiers.Prefetches++;
                    break;
                case What.CacheEnd:
                    Drop(due.Service, when.At);
                    break;
                default:
                    break;
            }
        }
    }

    private void Start(int service, double at)
    {
        ref var state = ref states[service];
        state.PodBegan = at;
        policy.Loads(service, at, !double.IsNaN(state.CachedSince));
        if (double.IsNaN(state.CachedSince))
        {
            tiers.RemoteGb += prices.ModelGb;
            state.PodReady = at + prices.StartRemote;
            Admit(service, at);
        }
        else
        {
            // What is still being fetched is read as it comes.
            state.PodReady = Math.Max(at + prices.StartLocal, state.Fetched + prices.PodStartS);
        }
    }

    private void EndPod(int service, double at)
    {
        ref var state = ref states[service];
        if (!double.IsNaN(state.PodBegan))
        {
            policy.Ended(service, !double.IsNaN(state.CachedSince));
            tiers.PodSeconds += at - state.PodBegan;
            idle[service] += Math.Max(0, at - Math.Max(state.PodReady, state.Last));
            state.PodBegan = double.NaN;
        }
    }

    private bool Admit(int service, double at)
    {
        if (prices.Places == 0)
        {
            return false;
        }

        if (cached.Count >= prices.Places)
        {
            var least = policy.PassesBy ? service : -1;
            var worth = policy.PassesBy ? policy.Worth(service, at) : double.MaxValue;
            foreach (var other in cached)
            {
                var its = policy.Worth(other, at);
                if (its < worth || least < 0)
                {
                    (least, worth) = (other, its);
                }
            }

            if (least == service)
            {
                return false;
            }

            (policy as LearnedTiers)?.Evicted(least, at);
            Drop(least, at);
        }

        cached.Add(service);
        states[service].CachedSince = at;
        states[service].Fetched = at + prices.Fetch;
        return true;
    }

    private void Drop(int service, double at)
    {
        ref var state = ref states[service];
        if (!double.IsNaN(state.CachedSince))
        {
            tiers.CacheSeconds += at - state.CachedSince;
            state.CachedSince = double.NaN;
            cached.Remove(service);
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Due(What What, int Service, int Stamp);

    [StructLayout(LayoutKind.Auto)]
    private struct State
    {
        public double PodBegan;
        public double PodReady;
        public double CachedSince;
        public double Fetched;
        public double Last;
        public int Stamp;
    }
}
