using System.Globalization;
using System.IO.Compression;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.ApiServer;
using Prewarm.Tests.Unit.Hosting;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>The history file of the first start.</summary>
public sealed class HistoryStartTests : IAsyncDisposable
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private static readonly ModelKey s_bloom = new("team", "bloom");
    private readonly ApiWorld _world = new();
    private readonly FakeTimeProvider _time = new(s_now);
    private readonly LogFake _log = new();
    private readonly CatalogFake _catalog = new(Model("team", "bloom"), Model("a", "twin"), Model("b", "twin"));
    private readonly FleetForecast _forecast = new(new(0, ForecastPrior.ReadNeutral()));

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public void Read_CallsOfTheLastDays_TeachTheFleetAndTheModelsThatAreMeant()
    {
        var hourly = Hourly(s_now.AddDays(-3), 72);
        var (memories, history) = New(Write($$"""
            {"id":"team/bloom","t":[{{hourly}}]}
            {"id":"twin","t":[{{hourly}}]}
            {"id":"stranger","h1":1e11,"t":[{{hourly}},86400]}
            """));
        Assert.True(history.Read(_catalog.Current, default));
        // The call after now of the stranger is not one; the name that two models have is neither's.
        Assert.Equal((3 * 72, 72), (_forecast.Taken, memories.Of(s_bloom)!.Seen));
        Assert.Equal(s_now.AddHours(-1).ToUnixTimeSeconds(), memories.Of(s_bloom)!.Last);
        Assert.Null(memories.Of(new("a", "twin")));
        // The guard has judged its gaps too.
        Assert.True(memories.Of(s_bloom)!.Losses[PolicyGuard.Off] > 10);
        // Once.
        Assert.False(history.Read(_catalog.Current, default));
        Assert.Equal(3 * 72, _forecast.Taken);
    }

    [Fact]
    public void Read_ModelThatRemembers_KeepsItsOwnMemory()
    {
        var (memories, history) = New(Write($$"""{"id":"bloom","t":[{{Hourly(s_now.AddDays(-3), 72)}}]}"""));
        memories.Change(s_bloom).Add(s_now.AddMinutes(-5).ToUnixTimeSeconds());
        Assert.True(history.Read(_catalog.Current, default));
        Assert.Equal(1, memories.Of(s_bloom)!.Seen);
    }

    [Fact]
    public void Read_TimesFromAnotherAge_TeachTheFleetOnly()
    {
        var (memories, history) = New(Write($"timestamp,model\n{string.Join('\n', Enumerable.Range(0, 50).Select(i => $"{i * 900},bloom"))}\n"));
        Assert.True(history.Read(_catalog.Current, default));
        Assert.Equal(50, _forecast.Taken);
        Assert.Null(memories.Of(s_bloom));
        Assert.Equal(0, _forecast.Fleet.Prior.Fleet.Busy(s_now.ToUnixTimeSeconds()));
    }

    [Theory]
    [InlineData("{\"id\":\"team/bloom\",\"t\":[100,60]}\n{\"id\":\"b\",\"t\":[100,-1]}\n", "line 2")]
    [InlineData("timestamp,model\n10,a\n9,a\n", "line 3")]
    [InlineData("", "no service")]
    [InlineData(null, "there is no")]
    public void Read_BadFile_IsSaidByItsLine_AndNothingIsLearned(string? text, string said)
    {
        var (memories, history) = New(text is null ? Path.Combine(_world.Folder, "none") : Write(text));
        Assert.False(history.Read(_catalog.Current, default));
        Assert.Equal(0, _forecast.Taken);
        Assert.Null(memories.Of(s_bloom));
        Assert.Contains(_log.Lines, l => l.Contains(said, StringComparison.Ordinal));
    }

    [Fact]
    public void Read_UnpacksToMoreThanItMayHave_IsRefused()
    {
        var path = Path.Combine(_world.Folder, "bomb.gz");
        using (var file = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            file.Write(new byte[HistoryStart.MostBytes + 1]);
        }

        Assert.False(New(path).History.Read(_catalog.Current, default));
        Assert.Contains(_log.Lines, l => l.Contains("more in it than 32 MB", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tick_FirstStart_SavesWhatTheHistoryTaught_AndARestartDoesNotReadItAgain()
    {
        await _world.StartAsync();
        var path = Write($$"""{"id":"bloom","t":[{{Hourly(s_now.AddDays(-2), 48)}}]}""");
        var (memories, history) = New(path);
        await TickAsync(memories, history, _forecast);
        var taught = _forecast.Fleet.Learnt;
        Assert.True(taught > 0);

        var again = new FleetForecast(new(0, ForecastPrior.ReadNeutral()));
        (memories, history) = New(path, again);
        await TickAsync(memories, history, again);
        Assert.Equal((0, taught, 48), (again.Taken, again.Fleet.Learnt, memories.Of(s_bloom)!.Seen));
    }

    private async Task TickAsync(MemoryStore memories, HistoryStart history, FleetForecast forecast)
    {
        var options = new PrewarmOptions { StateNamespace = "default" };
        using var nowhere = new HttpClient();
        var choice = new CacheChoice(forecast, options);
        var arrivals = new Arrivals();
        using var tick = new PrewarmTick(_world.Api, _catalog, Options.Create(new CatalogOptions()), arrivals, memories, forecast,
            new(_world.Api, forecast, new(10), options, _time, NullLogger<FleetStore>.Instance), history, new(arrivals, memories, forecast, options), choice,
            new(_world.Api, new(nowhere, null), options, _time, NullLogger<HoldActor>.Instance),
            new(_world.Api, new(_world.Api, _time, NullLogger<WakeLoads>.Instance), choice, options, _time, NullLogger<CacheActor>.Instance),
            new(_world.Api, options, _time, NullLogger<PrewarmTurn>.Instance), options, _time, NullLogger<PrewarmTick>.Instance);
        await tick.RunAsync(_world.Deadline);
    }

    private (MemoryStore Memories, HistoryStart History) New(string path, FleetForecast? forecast = null)
    {
        var options = new PrewarmOptions { StateNamespace = "default", History = path };
        var memories = new MemoryStore(_world.Api, options, _time, NullLogger<MemoryStore>.Instance);
        return (memories, new(forecast ?? _forecast, memories, options, _time, new LoggerFactory([_log]).CreateLogger<HistoryStart>()));
    }

    private string Write(string text)
    {
        var path = Path.Combine(_world.Folder, "history");
        File.WriteAllText(path, text);
        return path;
    }

    private static string Hourly(DateTimeOffset from, int calls) =>
        string.Join(',', Enumerable.Range(0, calls).Select(i => (i == 0 ? from.ToUnixTimeSeconds() : 3600).ToString(CultureInfo.InvariantCulture)));

    private static CachedModel Model(string ns, string name)
    {
        var model = RelayRouterTests.Model(ns, name);
        model.Spec!.Prewarm.Patience = 3600;
        return model;
    }
}
