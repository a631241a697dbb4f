using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Prewarm.Tiers;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class TierTests
{
    // Fetch 10 s, start from the cache 4 + 2 s, from remote 4 + 10 s.
    private static readonly TierPrices Prices = new(10, 8, 5, 4, 3.6, 0.036, 0.01, null);

    [Fact]
    public void Replay_NoCache_EveryColdStartReadsRemote()
    {
        var (score, tiers) = Replay(Prices, 100, CacheRule.Unlimited[0], [0, 50, 1000]);
        Assert.Equal(2, score.Cold);
        Assert.Equal(20, tiers.RemoteGb);
        Assert.Equal(28, tiers.WaitSeconds);

        // From 0 to 150 and from 1000 to the end at 2000, but for the keep-alive: 100 s after the last call.
        Assert.Equal(150 + 100, tiers.PodSeconds, 6);
        Assert.Equal(0, tiers.CacheSeconds);
        Assert.Equal(36 + 100 + 86, score.IdleSeconds, 6);
        Assert.Equal(250.0 / 3600 * 3.6 + 28 * 0.01, tiers.Cost, 6);
    }

    [Fact]
    public void Replay_CacheKept_OnlyTheFirstReadsRemote()
    {
        var (score, tiers) = Replay(Prices, 100, CacheRule.Unlimited[^1], [0, 50, 1000]);
        Assert.Equal(10, tiers.RemoteGb);
        Assert.Equal(14 + 6, tiers.WaitSeconds);
        Assert.Equal(2000, tiers.CacheSeconds);
        Assert.Equal(2, score.Cold);
        Assert.Equal(6, tiers.Quantile(0.5));
        Assert.Equal(14, tiers.Quantile(0.99));
    }

    [Fact]
    public void Replay_CallsDuringALoad_WaitForTheRest()
    {
        var (score, tiers) = Replay(Prices, 100, CacheRule.Unlimited[0], [0, 5, 13, 14]);
        Assert.Equal(14 + 9 + 1, tiers.WaitSeconds);
        Assert.Equal(3, score.Cold);
        Assert.Equal(10, tiers.RemoteGb);
    }

    [Fact]
    public void Replay_PlannedWindow_PodLoadsBeforeAndIsReady()
    {
        var trace = new ServiceTrace("a", 0, 1500, [0, 1000]);
        var score = new PolicyScore("x", "");
        var replay = new TierReplay([trace], Prices, new Planned(), score);
        replay.Arrive(0, 0, []);
        replay.Arrive(0, 1000, []);
        replay.Finish();

        // The cache was let go at 100 and is back from 890 (900 less the fetch); the pod starts at 944 and is ready at 950.
        Assert.Equal(1, score.Cold);
        Assert.Equal(14, score.Tiers!.WaitSeconds);
        Assert.Equal(20, score.Tiers.RemoteGb);
        Assert.Equal(1, score.Tiers.Prefetches);
        Assert.Equal(100 + (1100 - 944), score.Tiers.PodSeconds, 6);
        Assert.Equal(86 + 50 + 100, score.IdleSeconds, 6);
    }

    [Theory]
    [InlineData("lru", 4)]
    [InlineData("belady", 3)]
    public void Replay_OnePlace_LeastWorthGoes(string rule, int reads)
    {
        // a b a: the newest use keeps b and reads a again; who looks ahead passes b by.
        ServiceTrace[] traces = [new("a", 0, 5000, [0, 2000, 3000]), new("b", 0, 5000, [1000])];
        var prices = Prices with { CapacityGb = 10 };
        var score = new PolicyScore("x", "");
        var replay = new TierReplay(traces, prices, new StaticTiers(traces, prices, 60, new CacheRule(rule, double.MaxValue)), score);
        var order = new ArrivalOrder(traces);
        while (order.Next(out var s, out _, out var at))
        {
            replay.Arrive(s, at, []);
        }

        replay.Finish();
        Assert.Equal(10 * (reads - 1), score.Tiers!.RemoteGb);
        Assert.True(score.Tiers.CacheSeconds <= 5000);
    }

    [Fact]
    public void Plan_KnownHazards_CheapestOfNothingCacheAndPod()
    {
        var prices = new TierPrices(14, 1.5, 2, 10, 2, 0.005, 0.01, null);
        var rates = new float[SlotGrid.Count];
        Array.Fill(rates, MathF.Log(1e-8f));
        rates.AsSpan(0, 20).Fill(MathF.Log(0.02f));
        rates.AsSpan(20, 40).Fill(MathF.Log(5e-4f));
        var plan = new TierPlan();
        TierRule.Plan(rates, prices, 1, 0, plan);
        Assert.Equal(1, plan.Pods);
        Assert.Equal(new ReadyWindow(0, SlotGrid.Edges[20]), plan.Pod[0]);
        Assert.Equal(1, plan.Caches);
        Assert.Equal(new ReadyWindow(0, SlotGrid.Edges[60]), plan.Cache[0]);
    }

    [Fact]
    public void Plan_LimitedCache_PodHeldLongerWithoutTheData()
    {
        var rates = new float[SlotGrid.Count];
        for (var k = 0; k < rates.Length; k++)
        {
            rates[k] = -MathF.Log(1 + SlotGrid.Edges[k]);
        }

        var plan = new TierPlan();
        TierRule.Plan(rates, new TierPrices(14, 1.5, 2, 10, 2, 0.0002, 0.01, 70), 1, 0, plan);
        Assert.Equal((1, 1, 1), (plan.Pods, plan.Uncacheds, plan.Caches));

        // At 1 / (1 + t) a second: a start costs 17 and 84.7 s of waiting and of pod, in pod-seconds 323 and 1609.
        Assert.InRange(plan.Pod[0].End, 300, 360);
        Assert.InRange(plan.Uncached[0].End, 1560, 1680);
    }

    [Theory]
    [InlineData(false, 300 + 50)]
    [InlineData(true, 100 + 200)]
    public void Replay_LimitedCache_PodEndsByWhereItsDataIs(bool kept, double held)
    {
        // A place for one: b takes it at 50, or is worth too little to.
        ServiceTrace[] traces = [new("a", 0, 400, [0]), new("b", 0, 400, [50])];
        var score = new PolicyScore("x", "");
        var replay = new TierReplay(traces, Prices with { CapacityGb = 10 }, new ByPlace(kept), score);
        replay.Arrive(0, 0, []);
        replay.Arrive(1, 50, []);
        replay.Finish();
        Assert.Equal(held, score.Tiers!.PodSeconds, 6);
    }

    [Fact]
    public void Replay_LimitedCache_PodWithoutDataStartsEarlierByTheRead()
    {
        ServiceTrace[] traces = [new("a", 0, 1200, [0, 1000]), new("b", 0, 1200, [50])];
        var score = new PolicyScore("x", "");
        var replay = new TierReplay(traces, Prices with { CapacityGb = 10 }, new ByPlace(kept: false, again: 950), score);
        replay.Arrive(0, 0, []);
        replay.Arrive(1, 50, []);
        replay.Arrive(0, 1000, []);
        replay.Finish();

        // Ready at 950 by starting 4 + 10 s before; only the first two wait.
        Assert.Equal(28, score.Tiers!.WaitSeconds);
        Assert.Equal(30, score.Tiers.RemoteGb);
        Assert.Equal(300 + 50 + (1100 - 936), score.Tiers.PodSeconds, 6);
    }

    [Theory]
    [InlineData("{}", "model_gb")]
    [InlineData("[", "line 1: no valid JSON")]
    [InlineData("""{"model_gb":-1,"remote_gbit_s":1.5,"local_gbyte_s":2,"pod_start_s":10,"pod_hour":2,"cache_gb_hour":0.0002,"wait_s":0.01,"capacity_gb":null}""", "model_gb")]
    public void Read_Unsound_NamesWhatIsWrong(string text, string named)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, text);
            var e = Assert.Throws<FormatException>(() => TierPrices.Read(path));
            Assert.Contains(named, e.Message, StringComparison.Ordinal);
            Assert.Contains(path, e.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Read_Contract_AsWritten()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, """{"model_gb":14,"remote_gbit_s":1.5,"local_gbyte_s":2,"pod_start_s":10,"pod_hour":2,"cache_gb_hour":0.0002,"wait_s":0.01,"capacity_gb":70}""");
            var prices = TierPrices.Read(path);
            Assert.Equal(17, prices.StartLocal, 6);
            Assert.Equal(84.667, prices.StartRemote, 3);
            Assert.Equal(5, prices.Places);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static (PolicyScore Score, TierScore Tiers) Replay(TierPrices prices, double keep, CacheRule rule, double[] arrivals)
    {
        ServiceTrace[] traces = [new("a", 0, 2000, arrivals)];
        var score = new PolicyScore("x", "");
        var replay = new TierReplay(traces, prices, new StaticTiers(traces, prices, keep, rule), score);
        foreach (var at in arrivals)
        {
            replay.Arrive(0, at, []);
        }

        replay.Finish();
        return (score, score.Tiers!);
    }

    private sealed class Planned : TierPolicy
    {
        public override void Decide(int service, double at, ReadOnlySpan<float> rates, TierPlan plan)
        {
            (plan.Pods, plan.Caches) = (2, 2);
            plan.Pod[0] = new ReadyWindow(0, 100);
            plan.Pod[1] = new ReadyWindow(950, 1050);
            plan.Cache[0] = new ReadyWindow(0, 100);
            plan.Cache[1] = new ReadyWindow(900, 1100);
        }

        public override double Worth(int service, double now) => 0;
    }
    // Pods for 100 and 50 s with their data and for 300 and 200 s without, and again later if asked; the first service's place goes unless it is kept.
    private sealed class ByPlace(bool kept, double again = double.NaN) : TierPolicy
    {
        public override bool PassesBy => true;

        public override void Decide(int service, double at, ReadOnlySpan<float> rates, TierPlan plan)
        {
            plan.Pods = plan.Uncacheds = at == 0 && !double.IsNaN(again) ? 2 : 1;
            plan.Pod[0] = new ReadyWindow(0, service == 0 ? 100 : 50);
            plan.Uncached[0] = new ReadyWindow(0, at > 900 ? 100 : service == 0 ? 300 : 200);
            plan.Pod[1] = plan.Uncached[1] = new ReadyWindow(again, again + 150);
            plan.Cache[0] = new ReadyWindow(0, double.MaxValue);
            plan.Caches = 1;
        }

        public override double Worth(int service, double now) => (service == 0) == kept ? 1 : 0;
    }
}
