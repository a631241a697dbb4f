using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>One prewarmer's memory and hands.</summary>
internal sealed class PrewarmProcess
{
    private readonly PrewarmWorld _world;
    private readonly PrewarmTick _tick;
    private readonly MovingCatalog _catalog = new();

    public PrewarmProcess(PrewarmWorld world, PrewarmOptions options)
    {
        _world = world;
        var (api, time) = (world.Counted(), world.Time);
        Memories = new(api, options, time, NullLogger<MemoryStore>.Instance);
        Forecast = new(new(0, ForecastPrior.ReadNeutral()));
        Fleet = new(api, Forecast, Seen, options, time, NullLogger<FleetStore>.Instance);
        Turn = new(api, options, time, NullLogger<PrewarmTurn>.Instance);
        var choice = new CacheChoice(Forecast, options);
        _tick = new(api, _catalog, Options.Create(new CatalogOptions()), Arrivals, Memories, Forecast, Fleet, new(Forecast, Memories, options, time, NullLogger<HistoryStart>.Instance),
            new(Arrivals, Memories, Forecast, options), choice, new(api, new(world.Gateway(), new("http://gateway.test")), options, time, NullLogger<HoldActor>.Instance),
            new(api, new(api, time, NullLogger<WakeLoads>.Instance), choice, options, time, NullLogger<CacheActor>.Instance), Turn, options, time, NullLogger<PrewarmTick>.Instance);
    }

    public Arrivals Arrivals { get; } = new();

    public SeenEvents Seen { get; } = new(1000);

    public MemoryStore Memories { get; }

    public FleetForecast Forecast { get; }

    public FleetStore Fleet { get; }

    public PrewarmTurn Turn { get; }

    /// <param name="models">Null: as they are now.</param>
    public async Task TickAsync(CatalogSnapshot? models = null)
    {
        _catalog.Current = models ?? await _world.CatalogAsync();
        await _tick.RunAsync(_world.Deadline);
    }

    /// <summary>It is asked to end.</summary>
    public async Task EndAsync()
    {
        await Memories.SaveAsync(now: true, _world.Deadline);
        await Fleet.SaveAsync(now: true, _world.Deadline);
        await Turn.LeaveAsync(_world.Deadline);
    }

    /// <summary>A relay's report of one call.</summary>
    public void Call(string name, DateTimeOffset at)
    {
        var minute = at.ToUnixTimeSeconds() / 60;
        var second = (at.ToUnixTimeMilliseconds() / 1000.0) - (minute * 60);
        Arrivals.Add(new(PrewarmWorld.Namespace, name), new(minute, 1, second, second, 1, 0.5));
    }

    private sealed class MovingCatalog : ICatalog
    {
        public CatalogSnapshot Current { get; set; } = CatalogSnapshot.Empty;

        public Task Synced => Task.CompletedTask;

        public Task NextChange { get; } = new TaskCompletionSource().Task;
    }
}
