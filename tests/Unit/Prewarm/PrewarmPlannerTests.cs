using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class PrewarmPlannerTests
{
    // A Monday.
    private static readonly DateTimeOffset s_eight = new(2026, 11, 23, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Plan_WeekdaysInShanghai_CacheThenPodsThenNothing()
    {
        var spec = new PrewarmSpec { Windows = [new() { Cron = "50 8 * * 1-5", TimeZone = "Asia/Shanghai", Minutes = 30, Pods = 2 }], Cache = "Release", CacheIdleMinutes = 10 };
        PrewarmPlan At(int minutes) => PrewarmPlanner.Plan(spec, [], double.NaN, 1, s_eight.AddMinutes(minutes));
        // 08:43, 08:44:01 is six minutes ahead; 08:49, 08:50, 09:19, 09:20 in Shanghai.
        Assert.Equal((0, false), (At(43).Pods, At(43).Cache));
        Assert.Equal((0, true), (At(44).Pods, At(44).Cache));
        Assert.Equal((2, true, s_eight.AddMinutes(80)), (At(49).Pods, At(49).Cache, At(49).Until));
        Assert.Equal(2, At(79).Pods);
        Assert.Equal((0, false), (At(80).Pods, At(80).Cache));
        Assert.Equal((0, false), (At(50 - (24 * 60)).Pods, At(50 - (24 * 60)).Cache));
        Assert.Contains("Asia/Shanghai", At(50).Why, StringComparison.Ordinal);
    }

    /// <summary>Held from the lead before it to its end, without a hole.</summary>
    [Theory]
    [InlineData(1800, 15)]
    [InlineData(60, 1)]
    [InlineData(1800, 120)]
    public void Plan_WindowShorterThanItsLead_IsHeldThroughout(int lead, int minutes)
    {
        var spec = new PrewarmSpec { Windows = [new() { Cron = "50 0 * * *", Minutes = minutes }], PodLeadSeconds = lead, CacheLeadSeconds = 300, Cache = "Release", CacheIdleMinutes = 0 };
        var (from, to) = (s_eight.AddMinutes(50).AddSeconds(-lead), s_eight.AddMinutes(50 + minutes));
        for (var at = s_eight; at < s_eight.AddHours(4); at = at.AddSeconds(10))
        {
            var plan = PrewarmPlanner.Plan(spec, [], double.NaN, 1, at);
            Assert.Equal((at, at >= from && at < to, at >= from.AddSeconds(-300) && at < to), (at, plan.Pods > 0, plan.Cache));
        }
    }

    [Fact]
    public void Plan_CacheIsAskedFor_ForThePodsThatComeAfterIt()
    {
        var spec = new PrewarmSpec { Windows = [new() { Cron = "50 0 * * *", Minutes = 30, Pods = 2 }, new() { Cron = "52 0 * * *", Minutes = 30, Pods = 5 }], CacheLeadSeconds = 240 };
        PrewarmPlan At(int minutes) => PrewarmPlanner.Plan(spec, [new(300, 600)], s_eight.ToUnixTimeSeconds(), 3, s_eight.AddMinutes(minutes));
        // Five minutes ahead of each; and of what is expected at 00:05.
        Assert.Equal((0, 3), (At(1).Pods, At(1).Ahead));
        Assert.Equal((3, 3), (At(5).Pods, At(5).Ahead));
        Assert.Equal((0, 0), (At(44).Pods, At(44).Ahead));
        Assert.Equal((0, 2), (At(46).Pods, At(46).Ahead));
        Assert.Equal((0, 5), (At(47).Pods, At(47).Ahead));
    }

    [Fact]
    public void Plan_Paused_IsNothing()
    {
        var spec = new PrewarmSpec { Paused = true, Windows = [new() { Cron = "* * * * *" }] };
        Assert.Equal((0, "paused"), (PrewarmPlanner.Plan(spec, [], double.NaN, 1, s_eight).Pods, PrewarmPlanner.Plan(spec, [], double.NaN, 1, s_eight).Why));
    }

    [Theory]
    [InlineData("61 * * * *", "UTC", 60, "minute")]
    [InlineData("* * * * *", "Nowhere/Else", 60, "Nowhere/Else")]
    [InlineData("* * * * *", "UTC", 0, "7 days")]
    [InlineData("* * * * *", "UTC", 1e300, "spec.prewarm.windows")]
    public void Plan_WindowThatCannotBe_IsSaid_AndTheOthersCount(string cron, string zone, double minutes, string said)
    {
        var plan = PrewarmPlanner.Plan(new() { Windows = [new() { Cron = cron, TimeZone = zone, Minutes = minutes }, new() { Cron = "0 0 * * *" }] }, [], double.NaN, 1, s_eight);
        Assert.Equal(1, plan.Pods);
        Assert.Contains(said, plan.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3400, 0, false)]
    [InlineData(3545, 1, true)]
    [InlineData(3595, 1, true)]
    [InlineData(3700, 0, true)]
    [InlineData(4000, 0, false)]
    // A clock that jumps back by half a minute.
    [InlineData(-30, 0, true)]
    public void Plan_WindowExpected_PodBeforeIt_CacheBeforeThePod(double after, int pods, bool cache)
    {
        var plan = PrewarmPlanner.Plan(new() { Patience = 600, PodLeadSeconds = 60, CacheLeadSeconds = 100, Cache = "Release", CacheIdleMinutes = 1 }, [new(3600, 3660), new(3800, 3840)], 1_000_000, 3, DateTimeOffset.FromUnixTimeSeconds(1_000_000).AddSeconds(after));
        Assert.Equal((pods * 3, cache), (plan.Pods, plan.Cache));
    }

    [Fact]
    public void Plan_LoadsMeasured_CacheComesSoMuchEarlier()
    {
        PrewarmPlan At(double after, double loads, double starts) =>
            PrewarmPlanner.Plan(new() { Patience = 600, PodLeadSeconds = 60, CacheLeadSeconds = 100, Cache = "Release", CacheIdleMinutes = 1 }, [new(3600, 3660)], 1_000_000, 1, DateTimeOffset.FromUnixTimeSeconds(1_000_000).AddSeconds(after), loads, starts);
        Assert.Equal((false, true), (At(3000, 0, 0).Cache, At(3000, 600, 0).Cache));
        Assert.Equal((0, 1), (At(3500, 0, 0).Pods, At(3500, 0, 110).Pods));
    }

    [Fact]
    public void Hold_PatchAndUndo_LeaveWhatWasThere()
    {
        var hold = new PrewarmHold(3, s_eight, s_eight.AddMinutes(2), "1");
        var patch = JsonNode.Parse(hold.Patch())!["metadata"]!;
        var annotations = patch["annotations"]!.AsObject().ToDictionary(a => a.Key, a => (string)a.Value!);
        Assert.Equal(hold, PrewarmHold.Of(new() { Labels = new() { [PrewarmHold.Label] = "true" }, Annotations = annotations }));
        var undo = JsonNode.Parse(hold.Undo())!["metadata"]!;
        Assert.Equal("1", (string?)undo["annotations"]![PrewarmHold.MinScale]);
        Assert.All(undo["annotations"]!.AsObject().Where(a => a.Key != PrewarmHold.MinScale), a => Assert.Null(a.Value));
        Assert.Null(undo["labels"]![PrewarmHold.Label]);
        Assert.Null(PrewarmHold.Of(new() { Annotations = annotations }));
        Assert.Equal(DateTimeOffset.UnixEpoch, PrewarmHold.Of(new() { Labels = new() { [PrewarmHold.Label] = "true" } })!.Until);
    }

    [Fact]
    public void Budgets_Text_IsReadOrRefused()
    {
        Assert.Equal(2.5, PrewarmOptions.Budgets("a=10, b=2.5")["b"]);
        Assert.Contains("b=-1", Assert.Throws<FormatException>(() => PrewarmOptions.Budgets("a=10,b=-1")).Message, StringComparison.Ordinal);
        Assert.StartsWith("Prewarm__NamespacePodHours has \"5\"", Assert.Throws<FormatException>(() => PrewarmOptions.Budgets("a=200,5")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("200.5", false, 200.5)]
    [InlineData("2e2", false, 200.0)]
    [InlineData("0", false, 0.0)]
    [InlineData(" ", true, null)]
    public void Amount_Text_IsRead(string text, bool positive, double? amount) => Assert.Equal(amount, PrewarmOptions.Amount(text, "CacheGB", positive));

    [Theory]
    [InlineData("200,5", false, "write a number, 0 or more, decimals with a point")]
    [InlineData("1,000", false, "0 or more")]
    [InlineData("-1", false, "0 or more")]
    [InlineData("NaN", false, "0 or more")]
    [InlineData("0", true, "write a number above 0")]
    public void Amount_OfAnotherKind_IsRefusedByTheVariable(string text, bool positive, string says)
    {
        var message = Assert.Throws<FormatException>(() => PrewarmOptions.Amount(text, "CacheGB", positive)).Message;
        Assert.StartsWith($"Prewarm__CacheGB is \"{text}\": ", message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
    }
}
