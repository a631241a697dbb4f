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
        PrewarmPlan At(int minutes) => PrewarmPlanner.Plan(spec, null, double.NaN, 1, s_eight.AddMinutes(minutes));
        // 08:43, 08:44:01 is six minutes ahead; 08:49, 08:50, 09:19, 09:20 in Shanghai.
        Assert.Equal((0, false), (At(43).Pods, At(43).Cache));
        Assert.Equal((0, true), (At(44).Pods, At(44).Cache));
        Assert.Equal((2, true, s_eight.AddMinutes(80)), (At(49).Pods, At(49).Cache, At(49).Until));
        Assert.Equal(2, At(79).Pods);
        Assert.Equal((0, false), (At(80).Pods, At(80).Cache));
        Assert.Equal((0, false), (At(50 - (24 * 60)).Pods, At(50 - (24 * 60)).Cache));
        Assert.Contains("Asia/Shanghai", At(50).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Plan_Paused_IsNothing()
    {
        var spec = new PrewarmSpec { Paused = true, Windows = [new() { Cron = "* * * * *" }] };
        Assert.Equal((0, "paused"), (PrewarmPlanner.Plan(spec, null, double.NaN, 1, s_eight).Pods, PrewarmPlanner.Plan(spec, null, double.NaN, 1, s_eight).Why));
    }

    [Theory]
    [InlineData("61 * * * *", "UTC", 60, "minute")]
    [InlineData("* * * * *", "Nowhere/Else", 60, "Nowhere/Else")]
    [InlineData("* * * * *", "UTC", 0, "7 days")]
    [InlineData("* * * * *", "UTC", 1e300, "spec.prewarm.windows")]
    public void Plan_WindowThatCannotBe_IsSaid_AndTheOthersCount(string cron, string zone, double minutes, string said)
    {
        var plan = PrewarmPlanner.Plan(new() { Windows = [new() { Cron = cron, TimeZone = zone, Minutes = minutes }, new() { Cron = "0 0 * * *" }] }, null, double.NaN, 1, s_eight);
        Assert.Equal(1, plan.Pods);
        Assert.Contains(said, plan.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Plan_TimerLearned_PodIsThereBeforeItAndDownBetween()
    {
        var memory = new ServiceMemory();
        for (var i = 0; i < 40; i++)
        {
            memory.Add(1_700_000_000 + (i * 3600));
        }

        PrewarmPlan At(double after, double patience) => PrewarmPlanner.Plan(new() { Patience = patience, PodLeadSeconds = 60 }, memory, memory.Last, 3, DateTimeOffset.FromUnixTimeMilliseconds((long)((memory.Last + after) * 1000)));
        Assert.Equal(3, At(3580, 600).Pods);
        Assert.Equal(0, At(1800, 600).Pods);
        Assert.Equal(0, At(3580, 0).Pods);
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
    }
}
