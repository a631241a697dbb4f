using Prewarm.Functions.Prewarm;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Caches that have a limit in GB, or a budget in GB-hours, by whole prewarmers.</summary>
public sealed class CacheRoomTests : IAsyncDisposable
{
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);
    private PrewarmWorld _world = null!;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Room_ShortOf_TheLeastLikelyGoes_AndWhatIsCalledAgainComesBack_NotByTurns()
    {
        await StartAsync(new() { StateNamespace = "default", NamespaceCacheGb = Team(20) }, "a", "b", "c");
        var prewarmer = _world.Start();
        Taught(prewarmer, ("a", 10), ("b", 30));
        await _world.StepAsync(s_minute, 2, prewarmer);
        Assert.Equal("Kept Kept Released", await ToldAsync("a", "b", "c"));
        Assert.Contains("no room", (await _world.StatusAsync("c")).Why, StringComparison.Ordinal);
        Assert.Equal(20, _world.Gigabytes);

        // The one that was let go is called all the time now.
        var (swaps, before) = (0, "Kept Kept Released");
        for (var step = 0; step < 200; step++)
        {
            prewarmer.Call("c", _world.Now);
            prewarmer.Call("a", _world.Now.AddMinutes(-1));
            await _world.StepAsync(TimeSpan.FromMinutes(5), 1, prewarmer);
            Assert.InRange(_world.Gigabytes, 10, 20);
            var now = await ToldAsync("a", "b", "c");
            swaps += now == before ? 0 : 1;
            before = now;
        }

        Assert.Equal("Kept Released Kept", before);
        Assert.InRange(swaps, 1, 2);
        // It was loaded, and how long that took is known.
        Assert.True(_world["c"].Loaded);
        Assert.True(prewarmer.Memories.Of(new(PrewarmWorld.Namespace, "c"))!.Lead(pod: false) > 0);
    }

    [Fact]
    public async Task Room_Shrinks_AtTheNextTick_ButNotUnderPods_AndGrows()
    {
        await StartAsync(new() { StateNamespace = "default", CacheGb = 30 }, "a", "b", "c");
        var prewarmer = _world.Start();
        Taught(prewarmer, ("a", 10), ("b", 30));
        _world["c"].Called = true;
        await _world.StepAsync(s_minute, 2, prewarmer);
        Assert.Equal(30, _world.Gigabytes);
        // A pod of the least likely one reads from it.
        await prewarmer.EndAsync();
        prewarmer = _world.Start(new() { StateNamespace = "default", CacheGb = 15 });
        await _world.StepAsync(s_minute, 1, prewarmer);
        Assert.Equal((10.0, true), (_world.Gigabytes, _world["c"].Workers));
        _world["c"].Called = false;
        await _world.StepAsync(s_minute, 2, prewarmer);
        // Nothing reads it now, and nobody has ever called it: one of the others takes its place.
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal((10.0, false), (_world.Gigabytes, _world["c"].Workers));
        await prewarmer.EndAsync();
        prewarmer = _world.Start(new() { StateNamespace = "default", CacheGb = 100 });
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal(30, _world.Gigabytes);
        Assert.True(_world["b"].Loaded && _world["c"].Loaded);
    }

    [Fact]
    public async Task Window_OfAModelWhoseCacheHadToGo_TakesItBackBefore()
    {
        await StartAsync(new() { StateNamespace = "default", NamespaceCacheGb = Team(10) }, "a");
        await _world.ServeAsync("morning", """{"windows":[{"cron":"0 2 * * *","minutes":30}]}""");
        var prewarmer = _world.Start();
        Taught(prewarmer, ("a", 10));
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal("Kept Released", await ToldAsync("a", "morning"));
        while (_world.Now < PrewarmWorld.Begin.AddHours(2))
        {
            await _world.StepAsync(s_minute, 1, prewarmer);
            Assert.InRange(_world.Gigabytes, 0, 10);
        }

        Assert.Equal((true, 1), (_world["morning"].Loaded, _world["morning"].Pods));
        Assert.Equal("Released Kept", await ToldAsync("a", "morning"));
    }

    [Fact]
    public async Task Budget_ADay_IsUsedAndNeverOverdrawn_MostOfItWhereCallsAreLikely()
    {
        // Two hours of ten GB in a day; called every ten minutes from 12:00 to 13:30.
        _world = new(new() { StateNamespace = "default" });
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"cache":"Release","cacheIdleMinutes":600,"budget":{"cacheGbHours":20}}""");
        var prewarmer = _world.Start();
        var (used, busy) = (0.0, 0);
        for (var step = 0; step < 720; step++)
        {
            if (step is >= 360 and < 405 && step % 5 == 0)
            {
                prewarmer.Call("a", _world.Now);
                busy += _world["a"].Workers ? 1 : 0;
            }

            await _world.StepAsync(TimeSpan.FromMinutes(2), 1, prewarmer);
            used += _world.Gigabytes / 30;
            Assert.InRange((await _world.StatusAsync("a")).CacheGbSeconds ?? 0, 0, 72_000 + 0.01);
        }

        Assert.InRange(used, 10, 20.01);
        var status = await _world.StatusAsync("a");
        Assert.True(status.CachePrice is null or >= 1);
    }

    [Fact]
    public async Task Budget_Spent_CacheGoesAlsoUnderPods_AndANewDayBeginsAnew()
    {
        _world = new(new() { StateNamespace = "default" });
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"windows":[{"cron":"0 0 * * *","minutes":1440}],"budget":{"cacheGbHours":5}}""");
        var prewarmer = _world.Start();
        await _world.StepAsync(s_minute, 20, prewarmer);
        Assert.True(_world["a"].Workers);
        await _world.StepAsync(s_minute, 15, prewarmer);
        Assert.Equal((1, false), (_world["a"].Pods, _world["a"].Workers));
        var status = await _world.StatusAsync("a");
        Assert.Equal(("Released", 18_000.0), (status.Cache, status.CacheGbSeconds));
        _world.Time.SetUtcNow(PrewarmWorld.Begin.AddDays(1));
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.True(_world["a"].Loaded);
    }

    [Fact]
    public async Task Budget_PrewarmerDies_TheCacheGoesWhenWhatIsPaidForIsOver()
    {
        _world = new(new() { StateNamespace = "default", NamespaceCacheGbHours = Team(1000) });
        await _world.StartAsync();
        await _world.ServeAsync("a", "{}");
        await _world.StepAsync(s_minute, 3, _world.Start());
        Assert.True(_world["a"].Workers);
        await _world.StepAsync(s_minute, 32);
        Assert.False(_world["a"].Workers);
        Assert.InRange((await _world.StatusAsync("a")).CacheGbSeconds!.Value, 10 * 1800, 10 * 1860);
        // The next one takes it back.
        var next = _world.Start();
        await _world.StepAsync(s_minute, 4, next);
        Assert.True(_world["a"].Loaded);
    }

    [Fact]
    public async Task Pods_MoreThanMaxScale_AreHeldWithinIt_AndWhatTheyReadAtOnceIsSaid()
    {
        await StartAsync(new() { StateNamespace = "default" });
        await _world.ServeAsync("a", """{"windows":[{"cron":"0 0 * * *","minutes":60,"pods":40}],"podLeadSeconds":10}""", gigabytes: 10, maxScale: "4");
        await _world.StepAsync(s_minute, 2, _world.Start());
        var revision = await _world.Api.GetAsync(Kinds.Revisions, PrewarmWorld.Namespace, "a-predictor-00001", _world.Deadline);
        Assert.Equal("4", revision.Text("metadata", "annotations", PrewarmHold.MinScale));
        // 4 pods x 10 GB in 10 s, a node gives 1.25 GB/s.
        var status = await _world.StatusAsync("a");
        Assert.Equal((4, 4), (status.Pods, status.CacheWorkers));
    }

    /// <summary>40 GB are to be read in 10 s, and a node gives 1.25 GB/s: four nodes, where a person allows them and they have room.</summary>
    [Theory]
    [InlineData(8, null, 4)]
    [InlineData(3, null, 3)]
    [InlineData(8, 25.0, 2)]
    [InlineData(null, null, 1)]
    public async Task Cache_TakenBackForPods_HasTheWorkersThatTheyNeed(int? most, double? room, int workers)
    {
        await StartAsync(new() { StateNamespace = "default", NamespaceCacheGb = room is { } limit ? Team(limit) : new Dictionary<string, double>(), NamespaceCacheGbHours = Team(10_000) });
        var max = most is null ? "" : $$""","maxCacheWorkers":{{most}}""";
        await _world.ServeAsync("a", $$"""{"windows":[{"cron":"0 1 * * *","minutes":30,"pods":4}],"podLeadSeconds":10,"cache":"Release","cacheIdleMinutes":5{{max}}}""", gigabytes: 10);
        var prewarmer = _world.Start();
        while (_world.Now < PrewarmWorld.Begin.AddMinutes(70))
        {
            await _world.StepAsync(s_minute, 1, prewarmer);
            Assert.InRange(_world.Gigabytes, 0, room ?? 80);
        }

        Assert.Equal((4, true, true, workers), (_world["a"].Pods, _world["a"].Workers, _world["a"].Loaded, _world["a"].More ?? 1));
        var status = await _world.StatusAsync("a");
        Assert.Equal(workers * 10.0, status.CacheGb);
        Assert.Equal(workers < 4 ? 4 : null, status.CacheWorkers);
        Assert.Equal(1, _world["a"].Loads);

        // Let go, and back for one call: one worker gives what a pod reads in the time it has.
        while (_world.Now < PrewarmWorld.Begin.AddMinutes(110))
        {
            await _world.StepAsync(s_minute, 1, prewarmer);
        }

        Assert.Equal((0, 0.0), (_world["a"].Pods, _world.Gigabytes));
        prewarmer.Call("a", _world.Now);
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal((true, 10.0), (_world["a"].Loaded, _world.Gigabytes));
    }

    /// <summary>Fewer than they need are more than none.</summary>
    [Fact]
    public async Task Cache_TakenBackForPods_WithAsManyWorkersAsTheSpecSays_WhereThereIsNoRoomForMore()
    {
        await StartAsync(new() { StateNamespace = "default", CacheGb = 35 }, "b");
        _world["b"].Called = true;
        await _world.ServeAsync("a", """{"windows":[{"cron":"0 1 * * *","minutes":30,"pods":4}],"podLeadSeconds":10,"cache":"Release","cacheIdleMinutes":5,"maxCacheWorkers":4}""", gigabytes: 10);
        var prewarmer = _world.Start();
        while (_world.Now < PrewarmWorld.Begin.AddMinutes(70))
        {
            await _world.StepAsync(s_minute, 1, prewarmer);
            Assert.InRange(_world.Gigabytes, 0, 35);
        }

        Assert.Equal((4, true, 20.0), (_world["a"].Pods, _world["a"].Loaded, _world.Gigabytes));
    }

    /// <summary>The line leaves alone what a person has paused, so its room is not another's.</summary>
    [Fact]
    public async Task Room_OfAModelThatAPersonHasPaused_IsNotGivenAway()
    {
        await StartAsync(new() { StateNamespace = "default", NamespaceCacheGb = Team(10) }, "a");
        await _world.Api.MergePatchAsync(Kinds.CachedModels, PrewarmWorld.Namespace, "a", """{"metadata":{"annotations":{"prewarm.dev/paused":"true"}}}""", null, _world.Deadline);
        await _world.ServeAsync("b", """{"windows":[{"cron":"0 1 * * *","minutes":30}]}""");
        var prewarmer = _world.Start();
        // Both are there at first; the one that may be moved has to go.
        await _world.StepAsync(s_minute, 3, prewarmer);
        while (_world.Now < PrewarmWorld.Begin.AddMinutes(70))
        {
            await _world.StepAsync(s_minute, 1, prewarmer);
            Assert.Equal((10.0, true), (_world.Gigabytes, _world["a"].Workers));
        }
    }

    /// <summary>A person who wants it kept after all gets its bytes back, not only its workers.</summary>
    [Fact]
    public async Task Cache_KeptAgain_IsLoaded()
    {
        await StartAsync(new() { StateNamespace = "default" });
        await _world.ServeAsync("a", """{"cache":"Release","cacheIdleMinutes":0}""");
        var prewarmer = _world.Start();
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.False(_world["a"].Workers);
        await _world.SpecAsync("a", """{"cache":"Keep"}""");
        await _world.StepAsync(s_minute, 3, prewarmer);
        Assert.Equal((true, true, 1), (_world["a"].Workers, _world["a"].Loaded, _world["a"].Loads));
    }

    private async Task StartAsync(PrewarmOptions options, params string[] models)
    {
        _world = new(options);
        await _world.StartAsync();
        foreach (var model in models)
        {
            await _world.ServeAsync(model, "{}");
        }
    }

    /// <summary>Calls at a pace for the last six hours, up to now.</summary>
    private void Taught(PrewarmProcess prewarmer, params (string Name, int Minutes)[] models)
    {
        foreach (var (name, minutes) in models)
        {
            for (var at = _world.Now.AddHours(-6); at < _world.Now.AddMinutes(-5); at = at.AddMinutes(minutes))
            {
                prewarmer.Call(name, at);
            }
        }
    }

    private async Task<string> ToldAsync(params string[] names)
    {
        var told = new List<string>();
        foreach (var name in names)
        {
            told.Add((await _world.StatusAsync(name)).Cache);
        }

        return string.Join(' ', told);
    }

    private static Dictionary<string, double> Team(double number) => new() { [PrewarmWorld.Namespace] = number };
}
