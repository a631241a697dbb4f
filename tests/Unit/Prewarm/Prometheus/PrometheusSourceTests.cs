using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.Hosting;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>What is asked when, what becomes of the answers, and what of those that are none.</summary>
public sealed class PrometheusSourceTests : IDisposable
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 24, 12, 0, 10, TimeSpan.Zero);
    private static readonly long s_minute = s_start.ToUnixTimeSeconds() / 60;
    private static readonly ModelKey s_bloom = new("default", "bloom");
    private readonly FakeTimeProvider _time = new(s_start);
    private readonly PrometheusFake _prometheus = new();
    private readonly Arrivals _arrivals = new();
    private readonly LogFake _log = new();
    private readonly HttpClient _http;
    private readonly PrometheusOptions _options = new() { Address = new("http://prometheus.test:9090/secret-path") };
    private readonly PrometheusSource _source;

    public PrometheusSourceTests()
    {
        _http = new(_prometheus) { Timeout = Timeout.InfiniteTimeSpan };
        var model = RelayRouterTests.Model("default", "bloom");
        model.Status!.Versions = [new() { Name = "v1", State = "Serving", Revision = "bloom-predictor-00001", ServingSince = s_start.AddDays(-1) }];
        _source = new(new(_http, _options, _time), _options, new CatalogFake(model), _arrivals, _time, new LoggerFactory([_log]).CreateLogger<PrometheusSource>());
    }

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task Tick_EachMinute_AsksForTheMinuteThatIsOverAndTheOnesBefore()
    {
        for (var i = 0; i < 10; i++)
        {
            _prometheus.Counts[s_minute + i] = 1;
        }

        await MinutesAsync(10);
        // The first five are no calls: what another process sent may be in them.
        Assert.Equal(
            [(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7), (6, 8)],
            _prometheus.Asked.Select(a => (a.First - s_minute, a.Last - s_minute)));
        Assert.Equal([5L, 6, 7, 8], _arrivals.Recent(s_bloom).Select(m => m.At - s_minute));
        Assert.Equal(PrometheusQuery.Istio, _prometheus.Asked[0].Query);
        Assert.Equal(["http://prometheus.test:9090 tells of calls that pass no relay"], _log.Lines);
    }

    [Fact]
    public async Task Tick_SampleThatComesLate_IsTakenTheNextTime()
    {
        await MinutesAsync(9);
        _prometheus.Counts[s_minute + 7] = 2;
        await MinutesAsync(1);
        Assert.Equal((s_minute + 7, 2), (Assert.Single(_arrivals.Recent(s_bloom)).At, _arrivals.Recent(s_bloom)[0].Count));
    }

    [Fact]
    public async Task Tick_AwayForHours_CatchesUpAnHourAtATimeAndNoFurtherThanItsBound()
    {
        await MinutesAsync(10);
        _prometheus.Instead = _ => throw new HttpRequestException("Connection refused (prometheus.test:9090)", new SocketException((int)SocketError.ConnectionRefused));
        await MinutesAsync(8 * 60);
        Assert.Equal(2, _log.Lines.Count);
        _prometheus.Instead = null;
        _prometheus.Counts[s_minute + 60] = 1;
        _prometheus.Counts[s_minute + 400] = 1;
        var before = _prometheus.Asked.Count;
        await MinutesAsync(1);
        var asked = _prometheus.Asked.Skip(before).Select(a => (First: a.First - s_minute, Last: a.Last - s_minute)).ToList();
        Assert.All(asked, a => Assert.True(a.Last - a.First < 60));
        Assert.Equal((488 - 359 + 1 - 2, 489), (asked[0].First, asked[^1].Last));
        Assert.Equal([400L], _arrivals.Recent(s_bloom).Select(m => m.At - s_minute));
        Assert.EndsWith("tells of calls that pass no relay", _log.Lines.ElementAt(2), StringComparison.Ordinal);
        Assert.EndsWith("was away for long: 121 minutes of calls that pass no relay are not learned from", Assert.Single(_log.Lines.Skip(3)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tick_ClockThatWasAheadAndIsRightAgain_GoesOn()
    {
        var back = new FakeTimeProvider(s_start.AddDays(2));
        var source = new PrometheusSource(new(_http, _options, back), _options, new CatalogFake(), _arrivals, back, new LoggerFactory([_log]).CreateLogger<PrometheusSource>());
        await source.TickAsync(default);
        back.AdjustTime(s_start.AddMinutes(20));
        var before = _prometheus.Asked.Count;
        for (var i = 0; i < 10; i++)
        {
            back.AdjustTime(back.GetUtcNow().AddMinutes(1));
            await source.TickAsync(default);
        }

        Assert.NotEmpty(_prometheus.Asked.Skip(before));
        Assert.All(_prometheus.Asked.Skip(before), a => Assert.InRange(a.Last - s_minute, 20, 30));
    }

    public static TheoryData<string> Troubles => [.. Trouble.Keys];

    private static readonly Dictionary<string, (Func<CancellationToken, Task<HttpResponseMessage>> Answer, string Said)> Trouble = new()
    {
        ["down"] = (_ => throw new HttpRequestException("Connection refused (prometheus.test:9090)"), "Unreachable: Connection refused"),
        ["cut"] = (_ => Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(new CutStream()) }), "Unreachable: "),
        ["garbage"] = (_ => Task.FromResult(PrometheusFake.Answer("<html>Log in</html>")), "Unreadable: "),
        ["refused"] = (_ => Task.FromResult(PrometheusFake.Answer("""{"status":"error","errorType":"bad_data","error":"1:5: parse error"}""", HttpStatusCode.BadRequest)), "Refused: it answered 400: 1:5: parse error"),
        ["login"] = (_ => Task.FromResult(PrometheusFake.Answer("RBAC: access denied", HttpStatusCode.Forbidden)), "Refused: it answered 403"),
        ["redirect"] = (_ => Task.FromResult(new HttpResponseMessage(HttpStatusCode.Found)), "Refused: it answered 302"),
        ["large"] = (_ => Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(new EndlessStream()) }), "TooLarge: "),
        ["many"] = (_ => Task.FromResult(PrometheusFake.Answer($$$"""{"status":"success","data":{"resultType":"matrix","result":[{{{string.Join(',', Enumerable.Repeat("{}", PrometheusAnswerReader.MostSeries + 1))}}}]}}""")), "TooManySeries: "),
    };

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task Tick_Trouble_IsSaidOnceAndTheMinutesAreAskedForAgain(string trouble)
    {
        _prometheus.Instead = Trouble[trouble].Answer;
        await MinutesAsync(20);
        Assert.Contains(Trouble[trouble].Said, Assert.Single(_log.Lines), StringComparison.Ordinal);
        Assert.DoesNotContain("secret-path", _log.Lines.First(), StringComparison.Ordinal);
        Assert.Empty(_arrivals.Recent(s_bloom));
        _prometheus.Instead = null;
        _prometheus.Counts[s_minute + 8] = 4;
        await MinutesAsync(1);
        Assert.Equal((s_minute + 8, 4), (Assert.Single(_arrivals.Recent(s_bloom)).At, _arrivals.Recent(s_bloom)[0].Count));
        Assert.Equal(2, _log.Lines.Count);
    }

    [Fact]
    public async Task Tick_Hangs_IsGivenUpInTime()
    {
        await MinutesAsync(6);
        _prometheus.Instead = async ct =>
        {
            await new TaskCompletionSource().Task.WaitAsync(ct);
            return new();
        };
        _time.Advance(TimeSpan.FromMinutes(1));
        var tick = _source.TickAsync(default);
        Assert.False(tick.IsCompleted);
        _time.Advance(PrometheusClient.Limit);
        await tick.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Contains("TimedOut: no whole answer in 20 s", _log.Lines.Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tick_PartialAnswer_IsTakenAndSaid()
    {
        _prometheus.Instead = _ => Task.FromResult(PrometheusFake.Answer($$$"""{"status":"success","warnings":["a store is down"],"data":{"resultType":"matrix","result":[{"metric":{"model":"default/bloom"},"values":[[{{{(s_minute + 8) * 60}}},"1"],[{{{(s_minute + 8) * 60}}},"NaN"]]}]}}"""));
        await MinutesAsync(12);
        Assert.Equal(s_minute + 7, Assert.Single(_arrivals.Recent(s_bloom)).At);
        Assert.Collection(_log.Lines, l => Assert.Contains("1 values are no counts", l, StringComparison.Ordinal), l => Assert.Contains("Partial: a store is down", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tick_TokenFile_IsSentReadAgainAndNeverSaid()
    {
        var file = Path.GetTempFileName();
        try
        {
            _options.BearerTokenFile = file;
            await File.WriteAllTextAsync(file, "first-token\n", TestContext.Current.CancellationToken);
            _prometheus.Instead = _ => Task.FromResult(PrometheusFake.Answer("""{"status":"error","error":"bad token first-token"}""", HttpStatusCode.Unauthorized));
            await MinutesAsync(8);
            await File.WriteAllTextAsync(file, "second-token", TestContext.Current.CancellationToken);
            await MinutesAsync(1);
            Assert.Equal(["Bearer first-token", "Bearer second-token"], _prometheus.Asked.Select(a => a.Token).Distinct());
            Assert.Contains("bad token …", Assert.Single(_log.Lines), StringComparison.Ordinal);
            await File.WriteAllTextAsync(file, "two\nlines", TestContext.Current.CancellationToken);
            var asked = _prometheus.Asked.Count;
            await MinutesAsync(1);
            File.Delete(file);
            await MinutesAsync(1);
            Assert.Equal(asked, _prometheus.Asked.Count);
            Assert.Contains("the bearer token cannot be read from", _log.Lines.Last(), StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("Address", "prometheus:9090", "Address")]
    [InlineData("Address", "ftp://p", "Address")]
    [InlineData("Address", "http://p/?q=1", "Address")]
    [InlineData("Address", "http://me:geheim@p", "BearerTokenFile")]
    [InlineData("CaFile", "/nowhere.pem", "CaFile")]
    public void Read_SettingThatCannotBe_IsRefusedByItsName(string key, string value, string named)
    {
        var settings = new Dictionary<string, string?> { ["Prewarm:Prometheus:Address"] = "http://p:9090", [$"Prewarm:Prometheus:{key}"] = value };
        var e = Assert.Throws<FormatException>(() => PrometheusOptions.Read(new ConfigurationBuilder().AddInMemoryCollection(settings).Build()));
        Assert.Contains($"Prewarm__Prometheus__{named}", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NoAddress_IsNothing()
    {
        Assert.Null(PrometheusOptions.Read(new ConfigurationBuilder().Build()).Address);
        Assert.Equal(PrometheusQuery.QueueProxy, PrometheusOptions.Read(new ConfigurationBuilder().AddInMemoryCollection([new("Prewarm:Prometheus:Query", "queue-proxy")]).Build()).Query);
        Assert.InRange(PrometheusQuery.QueueProxy.Length, 1, PrometheusOptions.MostQuery);
    }

    private async Task MinutesAsync(int minutes)
    {
        if (_time.GetUtcNow() == s_start)
        {
            await _source.TickAsync(TestContext.Current.CancellationToken);
        }

        for (var i = 0; i < minutes; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            await _source.TickAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    private sealed class CutStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("the connection was closed");
    }

    private sealed class EndlessStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(buffer.Length);
    }
}
