using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>2,000 models that are all called: what that costs the API server, and what is left of it after a restart.</summary>
public sealed class ManyModelsTests : IAsyncDisposable
{
    private const int Models = 2000;
    private const int Minutes = 12;
    private readonly PrewarmWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task TwoThousandModels_SavedLoadedAndMerged_WritesAMinuteAreCounted()
    {
        await _world.StartAsync();
        var models = new List<CachedModel>();
        foreach (var i in Enumerable.Range(0, Models))
        {
            var model = RelayRouterTests.Model(PrewarmWorld.Namespace, $"m{i}", url: $"http://m{i}.example.com");
            model.Spec!.Source = new() { Uri = $"oss://b/m{i}", Endpoint = "e" };
            model.Spec.Prewarm.Patience = 30;
            model.Spec.Prewarm.Cache = "Keep";
            models.Add(model);
            var made = await _world.Api.CreateAsync(CatalogKinds.CachedModels, PrewarmWorld.Namespace, new() { ApiVersion = CatalogKinds.CachedModels.ApiVersion, Kind = "CachedModel", Metadata = new() { Name = $"m{i}" }, Spec = model.Spec }, _world.Deadline);
            model.Status!.Versions = [new() { Name = "v1", State = "Serving", Revision = $"m{i}-1", Digest = "0123456789abcdef", Dataset = "none" }];
            model.Metadata.Uid = made.Metadata.Uid;
        }

        var (catalog, prewarmer, random) = (new CatalogSnapshot(models), _world.Start(), new Random(1));
        var most = new Dictionary<string, int>();
        // The first five minutes are past: their reports have settled.
        for (var minute = -5; minute < Minutes; minute++)
        {
            foreach (var i in Enumerable.Range(0, Models).Where(_ => random.Next(5) == 0))
            {
                prewarmer.Call($"m{i}", _world.Now.AddMinutes(minute < 0 ? minute : 0));
            }

            if (minute < 0)
            {
                continue;
            }

            _world.Writes.Clear();
            for (var tick = 0; tick < 3; tick++)
            {
                await prewarmer.TickAsync(catalog);
                _world.Time.Advance(TimeSpan.FromSeconds(20));
            }

            if (minute == 0)
            {
                // Each ConfigMap is made once.
                await prewarmer.Fleet.SaveAsync(now: true, _world.Deadline);
                continue;
            }

            foreach (var (kind, count) in _world.Writes.GroupBy(Kind).Select(g => (g.Key, g.Count())))
            {
                most[kind] = Math.Max(most.GetValueOrDefault(kind), count);
            }

            // Each shard once.
            Assert.All(_world.Writes.Where(w => Kind(w) == "memory").GroupBy(w => w), w => Assert.Single(w));
        }

        TestContext.Current.TestOutputHelper?.WriteLine("most writes a minute: " + string.Join(", ", most.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => $"{m.Key} {m.Value}")));
        Assert.Equal(MemoryStore.Shards, most["memory"]);
        Assert.InRange(most["turn"], 1, 6);
        Assert.InRange(most["fleet"], 1, 1);
        Assert.InRange(most["status"], 1, 2 * PrewarmTick.TellsAMinute);
        Assert.Equal(4, most.Count);

        var maps = (await _world.Api.ListAsync(PrewarmKinds.ConfigMaps, "default", null, _world.Deadline)).Items;
        Assert.All(maps.Where(m => m.BinaryData is not null), m => Assert.InRange(m.BinaryData!.Sum(d => d.Key.Length + d.Value.Length), 1, 500_000));
        Assert.Equal(MemoryStore.Shards + 2, maps.Count(m => m.Metadata.Labels?.ContainsKey(StateMaps.Label) == true));

        // Killed; the next one knows what was saved, and both together what each has heard since.
        var next = _world.Start();
        await prewarmer.EndAsync();
        await next.TickAsync(catalog);
        Assert.All(Enumerable.Range(0, Models).Select(i => new ModelKey(PrewarmWorld.Namespace, $"m{i}")).Where(k => prewarmer.Memories.Of(k) is not null),
            k => Assert.Equal(prewarmer.Memories.Of(k)!.Seen, next.Memories.Of(k)!.Seen));
        Assert.True(Enumerable.Range(0, Models).Count(i => next.Memories.Of(new(PrewarmWorld.Namespace, $"m{i}")) is not null) > Models / 2);
    }

    private static string Kind(string write) => write switch
    {
        _ when write.Contains("prewarm-memory", StringComparison.Ordinal) => "memory",
        _ when write.Contains("prewarm-turn", StringComparison.Ordinal) => "turn",
        _ when write.Contains("prewarm-fleet", StringComparison.Ordinal) => "fleet",
        _ when write.EndsWith("/status", StringComparison.Ordinal) => "status",
        _ => write,
    };
}
