using Prewarm.Functions.Prewarm;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Ticks in which something is refused, slow or just begun: what it is about alone suffers.</summary>
public sealed class TickTroubleTests : IAsyncDisposable
{
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);
    private readonly PrewarmWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Restart_InAHold_DoesNotTeachTheHoldsAgeAsAPodsStart()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"windows":[{"cron":"0 1 * * *","minutes":300}]}""");
        var prewarmer = _world.Start();
        await _world.StepAsync(s_minute, 180, prewarmer);
        Assert.Equal(1, _world["a"].Pods);
        var lead = prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "a"))!.Lead(pod: true);
        Assert.InRange(lead, 1, 120);
        await prewarmer.EndAsync();

        var next = _world.Start();
        next.Call("a", _world.Now);
        await _world.StepAsync(s_minute, 200, next);
        Assert.Equal((0, lead), (_world["a"].Pods, next.Memories.Of(new(PrewarmWorld.Namespace, "a"))!.Lead(pod: true)));
        Assert.Equal((1L, 0L), ((await _world.StatusAsync("a")).Hits, (await _world.StatusAsync("a")).Late));
    }

    [Fact]
    public void Lead_OfALoadThatWaitedForAPerson_IsBounded()
    {
        var memory = new ServiceMemory();
        memory.Took(pod: false, 80_000);
        memory.Took(pod: true, 80_000);
        Assert.Equal((7200.0, 1800.0), (memory.Lead(pod: false), memory.Lead(pod: true)));
    }

    /// <summary>A policy that refuses one model's Revision keeps no other model's hold up, and nothing learned from being saved.</summary>
    [Fact]
    public async Task Refused_ForOneModel_TheOthersAreTakenBack_AndWhatWasLearnedIsSaved()
    {
        await _world.StartAsync();
        foreach (var name in (string[])["a", "b", "c"])
        {
            await _world.ServeAsync(name, """{"windows":[{"cron":"10 0 * * *","minutes":20}]}""");
        }

        var prewarmer = _world.Start();
        await _world.StepAsync(s_minute, 20, prewarmer);
        Assert.Equal("1 1 1", Pods());
        _world.Refuse = r => r.Method == HttpMethod.Patch && r.RequestUri!.AbsolutePath.EndsWith("/revisions/a-predictor-00001", StringComparison.Ordinal);
        await _world.StepAsync(s_minute, 20, prewarmer);
        Assert.Equal("1 0 0", Pods());

        _world.Refuse = r => r.RequestUri!.AbsolutePath.EndsWith("/revisions", StringComparison.Ordinal);
        prewarmer.Call("b", _world.Now);
        _world.Writes.Clear();
        await _world.StepAsync(s_minute, 6, prewarmer);
        Assert.Contains(_world.Writes, w => w.Contains("configmaps/prewarm-memory", StringComparison.Ordinal));
        _world.Refuse = null;
        await _world.StepAsync(s_minute, 2, prewarmer);
        Assert.Equal("0 0 0", Pods());

        string Pods() => $"{_world["a"].Pods} {_world["b"].Pods} {_world["c"].Pods}";
    }

    /// <summary>What a namespace's day has cost has to be known before anything is spent there, and only there.</summary>
    [Fact]
    public async Task Statuses_Unread_NothingIsHeldUntilTheyAre()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"windows":[{"cron":"0 0 * * *","minutes":60}],"budget":{"podHours":1}}""");
        var prewarmer = _world.Start();
        _world.Refuse = r => r.Method == HttpMethod.Get && r.RequestUri!.AbsolutePath.EndsWith("/cachedmodels", StringComparison.Ordinal);
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal(0, _world["a"].Pods);
        _world.Refuse = null;
        await _world.StepAsync(s_minute, 2, prewarmer);
        Assert.Equal(1, _world["a"].Pods);
    }

    [Fact]
    public async Task Loads_ThatDoNotHelp_AreMadeEverLessOften()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"cache":"Release","cacheIdleMinutes":0}""");
        var prewarmer = _world.Start();
        await _world.StepAsync(s_minute, 3, prewarmer);
        _world["a"].LoadsFail = true;
        await _world.SpecAsync("a", """{"cacheIdleMinutes":600}""");
        prewarmer.Call("a", _world.Now);
        await _world.StepAsync(s_minute, 180, prewarmer);
        Assert.InRange(_world["a"].Loads, 4, 8);
        // Let go and taken back it begins anew.
        await _world.SpecAsync("a", """{"cacheIdleMinutes":0}""");
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.False(_world["a"].Workers);
        _world["a"].LoadsFail = false;
        await _world.SpecAsync("a", """{"cacheIdleMinutes":600}""");
        await _world.StepAsync(s_minute, 4, prewarmer);
        Assert.True(_world["a"].Loaded);
    }

    [Fact]
    public async Task Paused_CacheStaysAsItIs_ThereOrAway()
    {
        await _world.StartAsync();
        await _world.ServeAsync("away", """{"cache":"Release","cacheIdleMinutes":0}""");
        await _world.ServeAsync("there", """{"cache":"Release","cacheIdleMinutes":60}""");
        var prewarmer = _world.Start();
        prewarmer.Call("there", _world.Now);
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal((false, true), (_world["away"].Workers, _world["there"].Workers));
        foreach (var name in (string[])["away", "there"])
        {
            await _world.SpecAsync(name, """{"paused":true}""");
        }

        await _world.StepAsync(s_minute, 90, prewarmer);
        Assert.Equal((false, true), (_world["away"].Workers, _world["there"].Workers));
    }

    /// <summary>A pod that was woken reads before it counts as there.</summary>
    [Fact]
    public async Task Cache_WhosePodsAreOnTheirWay_IsNotLetGo()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"cache":"Release","cacheIdleMinutes":5}""");
        var prewarmer = _world.Start();
        prewarmer.Call("a", _world.Now);
        await _world.StepAsync(s_minute, 2, prewarmer);
        await DesiredAsync(1);
        await _world.StepAsync(s_minute, 10, prewarmer);
        Assert.True(_world["a"].Workers);
        await DesiredAsync(0);
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.False(_world["a"].Workers);

        Task DesiredAsync(int pods) => _world.Api.MergePatchAsync(Kinds.PodAutoscalers, PrewarmWorld.Namespace, "a-predictor-00001", $$"""{"status":{"desiredScale":{{pods}} } }""", "status", _world.Deadline);
    }
}
