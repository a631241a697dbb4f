using Prewarm.Functions.Prewarm;
using Prewarm.Sandbox.Cluster;
using Prometheus;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Clocks, reports, models and prewarmers that are not as they should be, by whole prewarmers.</summary>
public sealed class BadInputTests : IAsyncDisposable
{
    private static readonly TimeSpan s_step = TimeSpan.FromSeconds(30);
    private readonly PrewarmWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task ClockJumps_BackAndForthByHalfAMinute_NothingIsHeldTwiceChargedTwiceOrLearnedTwice()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"windows":[{"cron":"0 1 * * *","minutes":30}],"budget":{"podHours":1},"cache":"Release","cacheIdleMinutes":5}""");
        var prewarmer = _world.Start();
        _world.Time.SetUtcNow(PrewarmWorld.Begin.AddMinutes(30));
        // FakeTimeProvider does not go back: the machine's clock does.
        var random = new Random(3);
        for (var i = 0; i < 150; i++)
        {
            if (i == 40)
            {
                prewarmer.Call("a", _world.Now);
            }

            _world.Offset = TimeSpan.FromSeconds(random.Next(-30, 31));
            await _world.StepAsync(s_step, 1, prewarmer);
        }

        var status = await _world.StatusAsync("a");
        // Nobody calls in the window: once wasted. The window with its lead, and not more than a jump and a lease's rounding beside it.
        Assert.InRange(status.PodSeconds, 30 * 60, (31 * 60) + 180);
        Assert.Equal((0, 1, 1L), (status.Pods, prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "a"))!.Seen, status.Wasted));
        Assert.Equal(0, _world["a"].Pods);
    }

    /// <summary>One report of twenty is lost: policy and regret are about what they are with all of them.</summary>
    [Fact]
    public void ReportsLost_OneInTwenty_PlanAndRegretStaySane()
    {
        const double patience = 1800;
        var (all, some) = (new ServiceMemory(), new ServiceMemory());
        var (whole, lossy) = (New(), New());
        var random = new Random(11);
        var (cold, lossyCold, idle, lossyIdle) = (0, 0, 0.0, 0.0);
        // Sessions by day, a call every few minutes, nothing at night.
        for (var at = (double)PrewarmWorld.Begin.ToUnixTimeSeconds(); all.Seen < 2000; at += at % 86400 is > 32400 and < 64800 ? 60 - (240 * Math.Log(1 - random.NextDouble())) : 3600)
        {
            if (all.Seen > 500)
            {
                (cold, idle) = Score(whole, all, at, cold, idle);
                (lossyCold, lossyIdle) = Score(lossy, some, at, lossyCold, lossyIdle);
            }

            whole.Arrive("a", all, patience, at);
            if (random.Next(20) != 0)
            {
                lossy.Arrive("a", some, patience, at);
            }
        }

        var (cost, lossyCost) = (cold + (idle / patience), lossyCold + (lossyIdle / patience));
        Assert.InRange(lossyCost / cost, 0.9, 1.15);
        Assert.InRange(FleetForecast.Regret(all, patience), -100, 5);
        Assert.InRange(FleetForecast.Regret(some, patience) - FleetForecast.Regret(all, patience), -15, 15);

        static FleetForecast New() => new(new(0, ForecastPrior.ReadNeutral()));

        static (int Cold, double Idle) Score(FleetForecast forecast, ServiceMemory memory, double at, int cold, double idle)
        {
            var windows = new ReadyWindow[GapPolicy.MostWindows];
            var (count, _) = forecast.Plan("a", memory, patience, 1, windows);
            var (warm, waste) = PolicyScore.Gap(windows.AsSpan(0, count), at - memory.Last);
            return (cold + (warm ? 0 : 1), idle + waste);
        }
    }

    [Fact]
    public async Task Model_DeletedWhileHeld_HoldTakenBack_ForgottenEverywhere_NothingWrittenToIt()
    {
        await _world.StartAsync();
        await _world.ServeAsync("gone", """{"windows":[{"cron":"0 0 * * *","minutes":600}],"patience":600}""");
        await _world.ServeAsync("stays", "{}");
        var prewarmer = _world.Start();
        prewarmer.Call("gone", _world.Now.AddHours(-1));
        await _world.StepAsync(s_step, 4, prewarmer);
        Assert.Equal(1, _world["gone"].Pods);
        Assert.Contains("team/gone", await MetricsAsync(), StringComparison.Ordinal);
        await _world.StepAsync(s_step, 3, prewarmer);
        Assert.NotEmpty(await KeysAsync());

        await _world.DeleteAsync("gone");
        _world.Writes.Clear();
        await _world.StepAsync(s_step, 1, prewarmer);
        var revision = await _world.Api.GetAsync(Kinds.Revisions, PrewarmWorld.Namespace, "gone-predictor-00001", _world.Deadline);
        Assert.Null(revision.At("metadata", "labels", PrewarmHold.Label));
        Assert.Null(revision.At("metadata", "annotations", PrewarmHold.MinScale));
        Assert.DoesNotContain("team/gone", await MetricsAsync(), StringComparison.Ordinal);
        // What it was like is remembered for a while, for one that is made anew; then no more, here and in what is saved.
        Assert.NotNull(prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "gone")));
        await _world.StepAsync(s_step, 25, prewarmer);
        Assert.Null(prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "gone")));
        Assert.DoesNotContain(await KeysAsync(), k => k.EndsWith("gone", StringComparison.Ordinal));
        Assert.DoesNotContain(_world.Writes, w => w.Contains("cachedmodels/gone", StringComparison.Ordinal));
    }

    /// <summary>In Kubernetes that is another object: the old one's hold goes, the new one begins with nothing.</summary>
    [Fact]
    public async Task Model_RenamedWhileHeld_TheOldOneIsLetGo_TheNewOneIsHeld()
    {
        await _world.StartAsync();
        const string prewarm = """{"windows":[{"cron":"0 0 * * *","minutes":600}],"budget":{"podHours":3}}""";
        await _world.ServeAsync("old", prewarm);
        var prewarmer = _world.Start();
        await _world.StepAsync(s_step, 3, prewarmer);
        await _world.DeleteAsync("old");
        await _world.ServeAsync("new", prewarm);
        await _world.StepAsync(s_step, 3, prewarmer);
        Assert.Null((await _world.Api.GetAsync(Kinds.Revisions, PrewarmWorld.Namespace, "old-predictor-00001", _world.Deadline)).At("metadata", "labels", PrewarmHold.Label));
        Assert.Equal((1, 1), (_world["new"].Pods, (await _world.StatusAsync("new")).Pods));
    }

    [Theory]
    [InlineData(false, 0, 1, 0)]
    [InlineData(true, 0, 0, 1)]
    [InlineData(false, 15, 0, 1)]
    public async Task LoadThatFailsOrIsLate_SessionCountsAsLate(bool fails, int minutes, long hits, long late)
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"windows":[{"cron":"20 0 * * *","minutes":20}],"cache":"Release","cacheIdleMinutes":0}""");
        (_world["a"].LoadsFail, _world["a"].LoadTakes) = (fails, TimeSpan.FromMinutes(minutes));
        var prewarmer = _world.Start();
        await _world.StepAsync(s_step, 50, prewarmer);
        // 00:25: its pod is up.
        Assert.Equal((1, late == 0), (_world["a"].Pods, _world["a"].Loaded));
        prewarmer.Call("a", _world.Now);
        await _world.StepAsync(s_step, 50, prewarmer);
        // One that was only late has ended, once.
        Assert.True(fails || _world["a"].Loads == 1, $"{_world["a"].Loads} loads");
        var status = await _world.StatusAsync("a");
        Assert.Equal((hits, late, 0L, 0), (status.Hits, status.Late, status.Wasted, status.Pods));
    }

    /// <summary>Each hears half of the reports; there is one budget for the namespace.</summary>
    [Fact]
    public async Task TwoPrewarmersByMistake_OneActs_BudgetsHold_WhatBothHeardIsKept()
    {
        var options = new PrewarmOptions { StateNamespace = "default", NamespacePodHours = new Dictionary<string, double> { [PrewarmWorld.Namespace] = 0.5 } };
        await using var world = new PrewarmWorld(options);
        await world.StartAsync();
        foreach (var name in (string[])["a", "b"])
        {
            await world.ServeAsync(name, """{"windows":[{"cron":"10 0 * * *","minutes":50}],"cache":"Release","cacheIdleMinutes":5}""");
        }

        var (one, two) = (world.Start(), world.Start());
        var (held, flips, cache) = (0.0, 0, "Kept");
        for (var i = 0; i < 160; i++)
        {
            if (i % 8 == 0 && i < 100)
            {
                (i % 16 == 0 && i < 80 ? one : two).Call("a", world.Now);
            }

            // The second one is killed at half time, and started anew; then the first one for good.
            two = i == 50 ? world.Start() : two;
            PrewarmProcess[] alive = i < 80 ? [one, two] : [two];
            await world.StepAsync(TimeSpan.FromSeconds(30), 1, alive);
            held += (world["a"].Pods + world["b"].Pods) * 30;
            var now = (await world.StatusAsync("a")).Cache;
            (flips, cache) = (flips + (now == cache ? 0 : 1), now);
            Assert.InRange((await world.StatusAsync("a")).PodSeconds + (await world.StatusAsync("b")).PodSeconds, 0, 1800);
        }

        // A step's rounding a hold; without one turn at a time it was more than twice the budget.
        Assert.InRange(held, 1500, 1800 + (4 * 30));
        Assert.InRange(flips, 0, 2);
        // What either has heard is in what is saved: all 15 minutes with a call are marked there.
        await one.EndAsync();
        await two.EndAsync();
        var next = world.Start();
        await next.TickAsync();
        var minutes = next.Memories.Of(new(PrewarmWorld.Namespace, "a"))!.Minutes[0];
        Assert.Equal(13, System.Numerics.BitOperations.PopCount(minutes));
    }

    [Fact]
    public async Task NoClientTraffic_OwnWakesAndHoldsAreNoDemand_EverythingIsColdWithinOneWindow()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"patience":3600,"cache":"Release","cacheIdleMinutes":30,"windows":[{"cron":"0 3 * * *","minutes":15}]}""");
        var prewarmer = _world.Start();
        for (var minute = 300; minute > 10; minute -= 7)
        {
            prewarmer.Call("a", _world.Now.AddMinutes(-minute));
        }

        await _world.StepAsync(s_step, 4, prewarmer);
        Assert.Equal(1, _world["a"].Pods);
        var seen = prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "a"))!.Seen;
        // Nobody calls any more. The last hold by forecast ends, the window comes and goes, and nothing of it has taught anything.
        await _world.StepAsync(TimeSpan.FromMinutes(1), 230, prewarmer);
        Assert.True(_world.Knocks > 0);
        Assert.Equal((0, false), (_world["a"].Pods, _world["a"].Workers));
        Assert.Equal(seen, prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "a"))!.Seen);
        await _world.StepAsync(TimeSpan.FromMinutes(1), 60, prewarmer);
        Assert.Equal((0, "Released"), ((await _world.StatusAsync("a")).Pods, (await _world.StatusAsync("a")).Cache));
    }

    private async Task<string[]> KeysAsync() => [.. (await _world.Api.ListAsync(PrewarmKinds.ConfigMaps, "default", StateMaps.Label + "=memory", _world.Deadline)).Items.SelectMany(m => m.BinaryData!.Keys)];

    private static async Task<string> MetricsAsync()
    {
        using var text = new MemoryStream();
        await Metrics.DefaultRegistry.CollectAndExportAsTextAsync(text);
        return System.Text.Encoding.UTF8.GetString(text.ToArray());
    }
}
