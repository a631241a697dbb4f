using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class TrafficTests
{
    private static readonly ModelKey s_bloom = new("default", "bloom");
    private readonly FakeTimeProvider _time = new(new(2026, 11, 24, 12, 30, 10, TimeSpan.Zero));

    [Fact]
    public void Book_AMinute_IsTakenOnceItIsOver()
    {
        var book = new TrafficBook(_time);
        book.Arrived(s_bloom);
        _time.Advance(TimeSpan.FromSeconds(40.5));
        book.Arrived(s_bloom);
        book.Served(s_bloom, TimeSpan.FromSeconds(1.5));
        Assert.Empty(book.Take());
        _time.Advance(TimeSpan.FromSeconds(10));
        book.Arrived(s_bloom);
        Assert.Empty(book.Take());
        _time.Advance(TimeSpan.FromSeconds(2));
        var page = Assert.Single(book.Take());
        var tally = Assert.Single(page.Models).Value;
        Assert.Equal((2, 10.0, 50.5, 1, 1.5), (tally.Count, tally.First, tally.Last, tally.Ended, tally.Seconds));
        Assert.Empty(book.Take());
        Assert.Single(book.Take(all: true));
    }

    [Fact]
    public async Task Book_ManyAtATime_LosesNone()
    {
        var book = new TrafficBook(_time);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 5000; i++)
            {
                book.Arrived(s_bloom);
                if (i % 1000 == 0)
                {
                    _time.Advance(TimeSpan.FromSeconds(20));
                }
            }
        })));
        Assert.Equal(40_000, book.Take(all: true).SelectMany(p => p.Models).Sum(m => m.Value.Count));
    }

    [Fact]
    public void Events_OfOneMinute_HaveTheSameIdsAndABoundedSize()
    {
        var page = new TrafficPage(new(2026, 11, 24, 12, 30, 0, TimeSpan.Zero));
        for (var i = 0; i < 2500; i++)
        {
            page.Of(new("default", $"{new string('m', 50)}-{i}")).Arrived(1);
        }

        var events = TrafficReporter.Events(page, "relay-1").ToList();
        Assert.Equal(["relay-1/2026-11-24T12:30Z", "relay-1/2026-11-24T12:30Z/1", "relay-1/2026-11-24T12:30Z/2"], events.Select(e => e.Head.Id));
        Assert.Equal(events.Select(e => e.Head.Id), TrafficReporter.Events(page, "relay-1").Select(e => e.Head.Id));
        Assert.All(events, e => Assert.InRange(e.Data.Length, 1, 500_000));
        Assert.All(events, e => Assert.Null(TrafficObservedRead(e.Data)));
    }

    [Fact]
    public async Task Reporter_SinkThatFails_GetsItAgainWithTheSameId()
    {
        using var sink = new SinkFake { Status = HttpStatusCode.BadRequest };
        var book = new TrafficBook(_time);
        using var reporter = new TrafficReporter(book, new(sink.Client, _time), Options.Create(new RelayOptions { Sink = new("http://sink/") }), _time, NullLogger<TrafficReporter>.Instance);
        book.Arrived(s_bloom);
        _time.Advance(TimeSpan.FromMinutes(2));
        await reporter.TickAsync(false, default);
        await reporter.TickAsync(false, default);
        Assert.Equal(1, reporter.Waiting);
        sink.Status = HttpStatusCode.Accepted;
        await reporter.TickAsync(false, default);
        await reporter.TickAsync(false, default);
        Assert.Equal(0, reporter.Waiting);
        Assert.Equal(3, sink.Bodies.Count);
        Assert.Single(sink.Bodies.Select(b => (string?)b["id"]).Distinct());
        Assert.Equal(TrafficReport.Type, (string?)sink.Bodies.First()["type"]);
    }

    /// <summary>The minute's report is for later: what a wake's time line lacks is told with the next look, once for each start, and counts nothing.</summary>
    [Fact]
    public async Task Reporter_FirstAnswerAfterAStart_IsToldBeforeItsMinuteIsOver()
    {
        using var sink = new SinkFake { Status = HttpStatusCode.BadRequest };
        var book = new TrafficBook(_time);
        using var reporter = new TrafficReporter(book, new(sink.Client, _time), Options.Create(new RelayOptions { Sink = new("http://sink/") }), _time, NullLogger<TrafficReporter>.Instance);
        book.Arrived(s_bloom);
        book.Woken(s_bloom, TimeSpan.FromSeconds(0.25), first: true);
        book.Woken(s_bloom, TimeSpan.FromSeconds(0.75), first: false);
        await reporter.TickAsync(false, default);
        sink.Status = HttpStatusCode.Accepted;
        await reporter.TickAsync(false, default);
        await reporter.TickAsync(false, default);
        Assert.Equal(2, sink.Bodies.Count);
        Assert.Single(sink.Bodies.Select(b => (string?)b["id"]).Distinct());
        var told = TrafficObservedFunction.Read(sink.Bodies.Last()["data"], _time.GetUtcNow()).Report!;
        Assert.Equal(new ModelTraffic("default", "bloom", 0, 0, 0, 0, 0) { FirstByte = 0.25 }, Assert.Single(told.Models));
    }

    [Fact]
    public async Task Reporter_SinkAwayForDays_KeepsABoundedBacklog()
    {
        using var sink = new SinkFake { Status = HttpStatusCode.BadRequest };
        var book = new TrafficBook(_time);
        using var reporter = new TrafficReporter(book, new(sink.Client, _time), Options.Create(new RelayOptions { Sink = new("http://sink/") }), _time, NullLogger<TrafficReporter>.Instance);
        for (var i = 0; i < TrafficReporter.MaxBacklog + 50; i++)
        {
            book.Arrived(s_bloom);
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        _time.Advance(TimeSpan.FromMinutes(1));
        await reporter.TickAsync(false, default);
        Assert.Equal(TrafficReporter.MaxBacklog, reporter.Waiting);
    }

    /// <summary>Through the relay: predictions count, and nothing else does; the end of the process sends what there is.</summary>
    [Fact]
    public async Task Relay_EndOfTheProcess_SendsPredictionsOnly()
    {
        var reports = new ConcurrentQueue<JsonNode>();
        await using (var world = new RelayWorld())
        {
            var sink = await world.ServeAsync(_ => { }, async context =>
            {
                reports.Enqueue((await JsonNode.ParseAsync(context.Request.Body))!);
                context.Response.StatusCode = 202;
            });
            var gateway = await world.ServeAsync(_ => { }, world.GatewayAsync);
            await world.RelayAsync(gateway.Urls.First(), RelayRouterTests.Model("default", "bloom"), ("K_SINK", sink.Urls.First()));
            foreach (var (method, path, body) in ((string, string, string)[])[
                ("POST", "/v1/models/bloom:predict", "{}"), ("POST", "/v2/models/bloom/infer", "{}"), ("POST", "/openai/v1/completions", "{\"model\":\"bloom\"}"), ("POST", "/models/default/bloom/openai/v1/embeddings", "{}"),
                ("GET", "/v1/models/bloom", ""), ("GET", "/v2/models/bloom/ready", ""), ("GET", "/v1/models", ""), ("GET", "/openai/v1/models", ""), ("GET", "/v2/health/ready", ""), ("POST", "/v1/models/nobody:predict", "{}")])
            {
                using var request = new HttpRequestMessage(new(method), path) { Content = method == "GET" ? null : new StringContent(body) };
                using var answer = await world.Http.SendAsync(request).WaitAsync(RelayWorld.Limit);
            }

            using var own = await world.AskAsync(headers: [(ReadinessProbe.Mark, "1")]);
            await world.Services.GetRequiredService<TrafficReporter>().StopAsync(default).WaitAsync(RelayWorld.Limit);
        }

        var data = reports.Select(r => r["data"]!).ToList();
        Assert.Equal(4, data.SelectMany(d => d["models"]!.AsArray()).Sum(m => (int)m!["count"]!));
        Assert.All(data.SelectMany(d => d["models"]!.AsArray()), m => Assert.Equal("default/bloom", $"{m!["namespace"]}/{m["name"]}"));
        Assert.Equal(4, data.SelectMany(d => d["models"]!.AsArray()).Sum(m => (int)m!["served"]!));
    }

    private static string? TrafficObservedRead(byte[] data) => TrafficObservedFunction.Read(JsonNode.Parse(data), new(2026, 11, 24, 12, 31, 0, TimeSpan.Zero)).Problem;

    private sealed class SinkFake : HttpMessageHandler
    {
        public HttpStatusCode Status { get; set; }
        public ConcurrentQueue<JsonNode> Bodies { get; } = new();
        public HttpClient Client => new(this, disposeHandler: false);

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Bodies.Enqueue(JsonNode.Parse(Encoding.UTF8.GetString(await request.Content!.ReadAsByteArrayAsync(cancellationToken)))!);
            return new(Status);
        }
    }
}
