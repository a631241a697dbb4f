using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class MemoryStoreTests : IAsyncDisposable
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private readonly ApiWorld _world = new();
    private readonly FakeTimeProvider _time = new(s_now);

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Save_TwoThousandModels_FitsAndComesBack_AndOnlyChangedShardsAreWrittenOnceAMinute()
    {
        await _world.StartAsync();
        var store = New();
        for (var i = 0; i < 2000; i++)
        {
            Fold(store, new("team", $"model-{i}"), [Minute(0), Minute(30)], s_now);
        }

        await store.SaveAsync(now: false, _world.Deadline);
        var maps = (await MapsAsync()).ToDictionary(m => m.Metadata.Name!, m => m.Metadata.ResourceVersion);
        Assert.InRange(maps.Count, 1, MemoryStore.Shards);
        Assert.All(await MapsAsync(), m => Assert.InRange(m.BinaryData!.Sum(d => d.Value.Length), 1, 500_000));

        // Within the minute: nothing is written; after it: one shard.
        Fold(store, new("team", "model-7"), [Minute(60)], s_now);
        await store.SaveAsync(now: false, _world.Deadline);
        Assert.All(await MapsAsync(), m => Assert.Equal(maps[m.Metadata.Name!], m.Metadata.ResourceVersion));
        _time.Advance(MemoryStore.Pace);
        await store.SaveAsync(now: false, _world.Deadline);
        Assert.Single(await MapsAsync(), m => maps[m.Metadata.Name!] != m.Metadata.ResourceVersion);

        var next = New();
        await next.LoadAsync(_world.Deadline);
        Assert.Equal((3, 2), (next.Of(new("team", "model-7"))!.Seen, next.Of(new("team", "model-1999"))!.Seen));
    }

    [Fact]
    public async Task Save_TwoWriters_NothingIsLost()
    {
        await _world.StartAsync();
        var (a, b) = (New(), New());
        // The same shard for both: many models, all at once, several times.
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 40; i++)
            {
                Fold(a, new("a", $"m{i}"), [Minute(round * 10)], s_now);
                Fold(b, new("b", $"m{i}"), [Minute(round * 10)], s_now);
            }

            await Task.WhenAll(a.SaveAsync(now: true, _world.Deadline), b.SaveAsync(now: true, _world.Deadline));
        }

        var next = New();
        await next.LoadAsync(_world.Deadline);
        Assert.All(Enumerable.Range(0, 40), i => Assert.Equal((3, 3), (next.Of(new("a", $"m{i}"))!.Seen, next.Of(new("b", $"m{i}"))!.Seen)));
    }

    [Fact]
    public async Task Save_OverWhatCannotBeRead_KeepsItAside()
    {
        await _world.StartAsync();
        var key = new ModelKey("team", "bloom");
        var newer = new byte[ServiceMemoryFormat.Size];
        ServiceMemoryFormat.Write(new(), newer);
        newer[1]++;
        var name = FormattableString.Invariant($"prewarm-memory-{MemoryStore.Shard(MemoryStore.Key(key)):00}");
        await _world.Api.CreateAsync(PrewarmKinds.ConfigMaps, "default", new StateMap
        {
            ApiVersion = "v1",
            Kind = "ConfigMap",
            Metadata = new() { Name = name, Labels = new() { [StateMaps.Label] = "memory" } },
            BinaryData = new() { [MemoryStore.Key(key)] = Convert.ToBase64String(newer), ["team_other"] = "AAAA" },
        }, _world.Deadline);
        var store = New();
        await store.LoadAsync(_world.Deadline);
        Assert.Null(store.Of(key));
        Fold(store, key, [Minute(0)], s_now);
        await store.SaveAsync(now: true, _world.Deadline);
        var map = Assert.Single(await MapsAsync());
        Assert.Equal(Convert.ToBase64String(newer), map.BinaryData!["aside." + MemoryStore.Key(key)]);
        Assert.Equal("AAAA", map.BinaryData["team_other"]);
        var next = New();
        await next.LoadAsync(_world.Deadline);
        Assert.Equal(1, next.Of(key)!.Seen);
    }

    [Fact]
    public void Fold_LateTwiceAndReordered_IsLearnedOnceInOrder()
    {
        var store = New();
        var key = new ModelKey("team", "bloom");
        Fold(store, key, [Minute(0), Minute(20)], s_now);
        Fold(store, key, [Minute(0), Minute(20), Minute(40)], s_now);
        // Not settled yet.
        Fold(store, key, [Minute(99)], s_now - TimeSpan.FromMinutes(3));
        Assert.Equal(3, store.Of(key)!.Seen);
        Assert.Equal(1200, store.Of(key)!.Gap, 1f);
    }

    [Fact]
    public async Task Keep_ModelThatIsGone_RememberedForAWhile_ThenForgottenAlsoInWhatWasSaved()
    {
        await _world.StartAsync();
        var (store, bloom, other) = (New(), new ModelKey("team", "bloom"), new ModelKey("team", "other"));
        Fold(store, bloom, [Minute(0), Minute(20)], s_now);
        Fold(store, other, [Minute(0), Minute(20)], s_now);
        await store.SaveAsync(now: true, _world.Deadline);

        // Made anew before the time is over: what was learned goes on, and the time begins anew.
        store.Keep(Set(other), [], s_now);
        store.Keep(Set(other), [], s_now + MemoryStore.Remembered - TimeSpan.FromSeconds(1));
        store.Keep(Set(bloom, other), [], s_now + MemoryStore.Remembered);
        store.Keep(Set(other), [], s_now + MemoryStore.Remembered + TimeSpan.FromSeconds(1));
        Assert.Equal(2, store.Of(bloom)!.Seen);

        // What is in namespaces that are not ours is not ours to forget.
        store.Keep(Set(other), ["else"], s_now + (3 * MemoryStore.Remembered));
        Assert.Equal(2, store.Of(bloom)!.Seen);

        store.Keep(Set(other), [], s_now + (3 * MemoryStore.Remembered));
        Assert.Null(store.Of(bloom));
        await store.SaveAsync(now: true, _world.Deadline);
        var next = New();
        await next.LoadAsync(_world.Deadline);
        Assert.Null(next.Of(bloom));
        Assert.Equal(2, next.Of(other)!.Seen);

        static HashSet<ModelKey> Set(params ModelKey[] models) => [.. models];
    }

    private static void Fold(MemoryStore store, ModelKey model, IReadOnlyList<ArrivalMinute> minutes, DateTimeOffset settled)
    {
        foreach (var at in store.New(model, minutes, settled))
        {
            store.Change(model).Add(at);
        }
    }

    private static ArrivalMinute Minute(int minute) => new((s_now.ToUnixTimeSeconds() / 60) - 100 + minute, 1, 10, 10, 1, 0.1);

    private MemoryStore New() => new(_world.Api, new() { StateNamespace = "default" }, _time, NullLogger<MemoryStore>.Instance);

    private async Task<IReadOnlyList<StateMap>> MapsAsync() => (await _world.Api.ListAsync(PrewarmKinds.ConfigMaps, "default", StateMaps.Label + "=memory", _world.Deadline)).Items;
}
