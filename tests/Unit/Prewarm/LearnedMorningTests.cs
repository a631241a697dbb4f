using Prewarm.Functions.Prewarm;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>
/// A model that is called once a morning and that nobody has given a window: learned from the reports of ten mornings alone. At zero overnight, cache and pod before the call, down after; two prewarmers by mistake, killed in
/// between, 0 new revisions, within its budgets.
/// </summary>
public sealed class LearnedMorningTests : IAsyncDisposable
{
    private readonly PrewarmWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task TenMornings_TheEleventhFindsCacheAndPod_ZeroBeforeAndAfter()
    {
        await _world.StartAsync();
        await _world.ServeAsync("a", """{"patience":3600,"cache":"Release","cacheIdleMinutes":30,"budget":{"podHours":2,"cacheGbHours":60}}""");
        var (random, prewarmer) = (new Random(9), _world.Start());
        var nine = PrewarmWorld.Begin.AddHours(9);
        for (var day = 0; day < 10; day++)
        {
            // Killed every night: what is saved is all that the next one has.
            prewarmer = _world.Start();
            var call = nine.AddDays(day).AddSeconds(random.Next(-300, 300));
            _world.Time.SetUtcNow(call);
            prewarmer.Call("a", call);
            await _world.StepAsync(TimeSpan.FromMinutes(2), 4, prewarmer);
        }

        // The eleventh day, from midnight on; what the days before have cost is no matter.
        var (midnight, usual) = (PrewarmWorld.Begin.AddDays(10), nine.AddDays(10));
        _world.Time.SetUtcNow(midnight);
        var (podsBefore, cacheBefore, podSeconds, gbHours, there) = (0.0, 0.0, 0.0, 0.0, false);
        var hits = (await _world.StatusAsync("a")).Hits;
        prewarmer = _world.Start();
        PrewarmProcess[] running = [prewarmer];
        while (_world.Now < midnight.AddHours(13))
        {
            if (_world.Now >= midnight.AddHours(5) && running.Length == 1 && running[0] == prewarmer)
            {
                // A second one by mistake; it will be left alone in the very morning.
                running = [prewarmer, _world.Start()];
            }

            if (_world.Now >= usual.AddMinutes(-25) && running.Length == 2)
            {
                running = [running[1]];
            }

            if (_world.Now >= usual && !there)
            {
                there = true;
                Assert.Equal((1, true), (_world["a"].Pods, _world["a"].Loaded));
                running[0].Call("a", _world.Now);
            }

            await _world.StepAsync(TimeSpan.FromSeconds(30), 1, running);
            podSeconds += _world["a"].Pods * 30;
            gbHours += _world.Gigabytes / 120;
            var early = _world.Now < usual.AddHours(-3);
            podsBefore += early ? _world["a"].Pods * 30 : 0;
            cacheBefore += early && _world["a"].Workers ? 30 : 0;
        }

        Assert.Equal((0.0, 0.0), (podsBefore, cacheBefore));
        Assert.Equal((0, false), (_world["a"].Pods, _world["a"].Workers));
        Assert.InRange(podSeconds, 60, 7200);
        Assert.InRange(gbHours, 0.1, 60);
        var status = await _world.StatusAsync("a");
        Assert.InRange(status.PodSeconds, 60, 7200);
        Assert.InRange(status.CacheGbSeconds!.Value, 1, 60 * 3600);
        Assert.Equal((1L, 0L), (status.Hits - hits, status.Late));
        var revision = Assert.Single((await _world.Api.ListAsync(Kinds.Revisions, PrewarmWorld.Namespace, null, _world.Deadline)).Items);
        Assert.Null(revision.At("metadata", "labels", PrewarmHold.Label));
        TestContext.Current.TestOutputHelper?.WriteLine($"pod-seconds {podSeconds}, GB-hours {gbHours:0.0}");
    }
}
