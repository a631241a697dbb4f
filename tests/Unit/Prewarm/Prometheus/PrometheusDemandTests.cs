using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Ticks that hold a model whose pod never comes, so that it is woken again and again, beside a Prometheus that counts every request at the gateway.</summary>
public sealed class PrometheusDemandTests : IAsyncDisposable
{
    /// <summary>Seconds between ticks.</summary>
    private const int Pace = 20;
    private const string Revision = "bloom-predictor-00001";
    private static readonly DateTimeOffset s_start = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private readonly ApiWorld _world = new();
    private readonly FakeTimeProvider _time = new(s_start);
    private readonly PrometheusFake _prometheus = new();
    private readonly CachedModel _model = RelayRouterTests.Model("default", "bloom");
    private readonly Arrivals _arrivals = new();
    private int _knocks;

    public async ValueTask DisposeAsync()
    {
        _prometheus.Dispose();
        await _world.DisposeAsync();
    }

    [Fact]
    public async Task Ticks_NobodyCalls_NothingIsEverLearned()
    {
        var memories = await RunAsync(TimeSpan.FromMinutes(20), calls: []);
        Assert.InRange(_knocks, 15 * 3, 20 * 3);
        // Had they been taken for calls, they would be here.
        Assert.True(_prometheus.Counts.Values.Sum() == _knocks);
        Assert.True(_prometheus.Asked.Count > 15);
        Assert.Empty(_arrivals.Recent(_model.Key()));
        Assert.Null(memories.Of(_model.Key()));
    }

    [Fact]
    public async Task Ticks_SomebodyCallsBetweenOurWakes_ThoseAreLearned()
    {
        var memories = await RunAsync(TimeSpan.FromMinutes(20), calls: [8, 13]);
        Assert.Equal([8L, 13], _arrivals.Recent(_model.Key()).Select(m => m.At - (s_start.ToUnixTimeSeconds() / 60)));
        Assert.Equal(2, memories.Of(_model.Key())!.Seen);
    }

    private async Task<MemoryStore> RunAsync(TimeSpan length, IReadOnlyList<int> calls)
    {
        await _world.StartAsync();
        _model.Spec!.Prewarm.Windows = [new() { Cron = "* * * * *" }];
        _model.Status!.Versions = [new() { Name = "v1", State = "Serving", Revision = Revision, ServingSince = s_start.AddDays(-1) }];
        await _world.Api.EnsureAsync(Kinds.Revisions, new() { ["metadata"] = new JsonObject { ["name"] = Revision, ["namespace"] = "default" }, ["spec"] = new JsonObject() }, _world.Deadline);
        await _world.Api.EnsureAsync(Kinds.PodAutoscalers, new() { ["metadata"] = new JsonObject { ["name"] = Revision, ["namespace"] = "default" }, ["spec"] = new JsonObject() }, _world.Deadline);
        await _world.Api.EnsureAsync(Kinds.CachedModels, new() { ["metadata"] = new JsonObject { ["name"] = "bloom", ["namespace"] = "default" }, ["spec"] = new JsonObject { ["source"] = new JsonObject { ["uri"] = "oss://b/bloom", ["endpoint"] = "e" } } }, _world.Deadline);

        var catalog = new CatalogFake(_model);
        var options = new PrewarmOptions { StateNamespace = "default" };
        var memories = new MemoryStore(_world.Api, options, _time, NullLogger<MemoryStore>.Instance);
        var forecast = new FleetForecast(new(0, ForecastPrior.ReadNeutral()));
        using var door = new HttpClient(new Gateway(this));
        using var asking = new HttpClient(_prometheus, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        var address = new PrometheusOptions { Address = new("http://prometheus.test") };
        var source = new PrometheusSource(new(asking, address, _time), address, catalog, _arrivals, _time, NullLogger<PrometheusSource>.Instance);
        var choice = new CacheChoice(forecast, options);
        using var tick = new PrewarmTick(_world.Api, catalog, Options.Create(new CatalogOptions()), _arrivals, memories, forecast, new(_world.Api, forecast, new(10), options, _time, NullLogger<FleetStore>.Instance),
            new(forecast, memories, options, _time, NullLogger<HistoryStart>.Instance), new(_arrivals, memories, forecast, options), choice,
            new(_world.Api, new(door, new("http://gateway.test"), _arrivals), options, _time, NullLogger<HoldActor>.Instance),
            new(_world.Api, new(_world.Api, _time, NullLogger<WakeLoads>.Instance), choice, options, _time, NullLogger<CacheActor>.Instance),
            new(_world.Api, options, _time, NullLogger<PrewarmTurn>.Instance), options, _time, NullLogger<PrewarmTick>.Instance);
        for (var seconds = 0; seconds < length.TotalSeconds; seconds += Pace)
        {
            await tick.RunAsync(_world.Deadline);
            if (seconds % 60 == 40)
            {
                await source.TickAsync(_world.Deadline);
                if (calls.Contains(seconds / 60))
                {
                    Counted();
                }
            }

            _time.Advance(TimeSpan.FromSeconds(Pace));
        }

        return memories;
    }

    private void Counted()
    {
        var minute = _time.GetUtcNow().ToUnixTimeSeconds() / 60;
        _prometheus.Counts[minute] = _prometheus.Counts.GetValueOrDefault(minute) + 1;
    }

    /// <summary>Counts as the mesh's gateway does: everything.</summary>
    private sealed class Gateway(PrometheusDemandTests test) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            test._knocks++;
            test.Counted();
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
        }
    }
}
