using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.Hosting;
using Prewarm.Tests.Unit.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

/// <summary>Our queries on a real Prometheus, over samples as a scrape every 15 s leaves them.</summary>
public sealed class RealPrometheusTests
{
    private const int Scrape = 15;

    /// <summary>Seconds of a minute's first scrape.</summary>
    private const int Offset = 7;

    /// <summary>Minutes of the story.</summary>
    private const int Length = 180;

    // On the hour, so that a minute's number is its number in the hour.
    private static readonly DateTimeOffset s_start = new(2026, 11, 24, 8, 0, 0, TimeSpan.Zero);
    private static readonly long s_minute = s_start.ToUnixTimeSeconds() / 60;
    private readonly LogFake _log = new();
    private readonly Arrivals _arrivals = new();

    [Fact]
    public async Task Istio_WhatAGatewayCounts_IsCountedInItsMinuteAndOnce()
    {
        var past = new OpenMetrics("istio_requests");
        past.Up(0, Length);
        // Lone calls wherever between two scrapes, far apart; a series of its own from the first call with another code.
        int[] lone = [20, 41, 62, 83, 104, 125, 146, 167];
        for (var i = 0; i < lone.Length; i++)
        {
            past.Call("bloom-predictor-00001", "gateway-1", lone[i], second: 1 + (i * 8));
        }

        past.Call("bloom-predictor-00001", "gateway-1", 50, second: 30, code: "503");
        // Bursts; and by two gateways at once.
        past.Call("opt-predictor-00001", "gateway-1", 30, second: 10, count: 25);
        past.Call("opt-predictor-00001", "gateway-2", 30, second: 40, count: 5);
        // The first gateway is replaced by one that counts from 0 under the same name.
        past.Reset("gateway-1", 90);
        // Scrapes fail for ten minutes, and a call comes meanwhile: it is counted when they are back.
        past.Gap("gateway-2", 100, 110);
        past.Call("opt-predictor-00001", "gateway-2", 105, second: 5, count: 2);
        // What is not the gateway's count of a model.
        past.Other("""istio_requests_total{reporter="destination",source_workload="activator",destination_service_namespace="default",destination_service_name="bloom-predictor-00001"}""", 70);
        past.Other("""istio_requests_total{reporter="source",source_workload="istio-ingressgateway",destination_service_namespace="istio-system",destination_service_name="knative-local-gateway"}""", 75);

        await using var prometheus = await RealPrometheus.StartAsync(past.Text(), null, TestContext.Current.CancellationToken);
        await FollowAsync(prometheus, PrometheusQuery.Istio);
        // The gateway's first series is there from the start; a call in the last seconds of a minute is scraped in the next one.
        Assert.Equal(Expected([.. lone.Select((m, i) => (m, 1 + (i * 8), 1)), (50, 30, 1)]), Told("bloom"));
        Assert.Equal([(30L, 30), (110, 2)], Told("opt"));
        Assert.Single(_log.Lines);
    }

    /// <summary>As one would ask: what lies between two windows and what a series begins with are lost, which is why it is not what we ask.</summary>
    [Fact]
    public async Task Increase_WouldLoseWhatOursCounts()
    {
        var past = new OpenMetrics("istio_requests");
        past.Up(0, Length);
        for (var i = 0; i < 8; i++)
        {
            past.Call("bloom-predictor-00001", "gateway-1", 20 + (i * 15), second: 1 + (i * 8));
        }

        await using var prometheus = await RealPrometheus.StartAsync(past.Text(), null, TestContext.Current.CancellationToken);
        await FollowAsync(prometheus, "sum by (destination_service_namespace, destination_service_name) (increase(istio_requests_total[1m])) > 0");
        Assert.InRange(Told("bloom").Count, 1, 7);
    }

    /// <summary>Each start from zero is a pod of its own, whose counter begins with the first call; two of Knative's names for it.</summary>
    [Theory]
    [InlineData("kn_serving_invocation_duration_seconds_count", "k8s_namespace_name=\"default\",kn_revision_name=\"{0}\"")]
    [InlineData("revision_app_request_count", "namespace_name=\"default\",revision_name=\"{0}\"")]
    [InlineData("kn_serving_invocation_duration_seconds_count", "namespace=\"default\"")]
    public async Task QueueProxy_PodsThatComeAndGo_EachFirstCallCounts(string metric, string labels)
    {
        var past = new OpenMetrics("up");
        past.Up(0, Length);
        foreach (var (pod, minute) in new[] { ("x2x4z", 30), ("b7k9q", 95), ("c1c1c", 150) })
        {
            // It is there for five minutes from its first call on.
            past.Span($$"""{{metric}}{{{string.Format(CultureInfo.InvariantCulture, labels, "bloom-predictor-00001")}},pod="bloom-predictor-00001-deployment-6d4b-{{pod}}",http_response_status_code="200"}""", minute, minute + 5, 3);
        }

        await using var prometheus = await RealPrometheus.StartAsync(past.Text(), null, TestContext.Current.CancellationToken);
        await FollowAsync(prometheus, PrometheusQuery.QueueProxy);
        Assert.Equal([(30L, 3), (95, 3), (150, 3)], Told("bloom"));
    }

    /// <summary>It is replaced, without its past, beside gateways that have counted for days: those days are no calls of now.</summary>
    [Fact]
    public async Task Istio_PrometheusThatHasJustBegun_TakesNoOldCountForCalls()
    {
        var past = new OpenMetrics("istio_requests");
        past.Up(60, Length);
        past.Begins("bloom-predictor-00001", "gateway-1", 4711, 60);
        past.Call("bloom-predictor-00001", "gateway-1", 80, second: 20);
        await using var prometheus = await RealPrometheus.StartAsync(past.Text(), null, TestContext.Current.CancellationToken);
        await FollowAsync(prometheus, PrometheusQuery.Istio);
        Assert.Equal([(80L, 1)], Told("bloom"));
    }

    [Fact]
    public async Task Ask_QueryThatIsNone_SaysWhatPrometheusSays()
    {
        await using var prometheus = await RealPrometheus.StartAsync(null, null, TestContext.Current.CancellationToken);
        await FollowAsync(prometheus, "sum by (");
        Assert.Contains("Refused: it answered 400: ", Assert.Single(_log.Lines), StringComparison.Ordinal);
        Assert.Contains("parse error", _log.Lines.First(), StringComparison.Ordinal);
    }

    /// <summary>Scraped while it counts: takes three minutes, so only when asked for.</summary>
    [Fact(Explicit = true)]
    public async Task Istio_ScrapedNow_IsCounted()
    {
        var calls = 0;
        using var exporter = new HttpListener();
        var port = 20000 + (Environment.ProcessId % 20000);
        exporter.Prefixes.Add(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/"));
        exporter.Start();
        var serving = Task.Run(async () =>
        {
            while (exporter.IsListening && await exporter.GetContextAsync() is { } context)
            {
                await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(
                    string.Create(CultureInfo.InvariantCulture, $"istio_requests_total{{reporter=\"source\",source_workload=\"istio-ingressgateway\",destination_service_namespace=\"default\",destination_service_name=\"bloom-predictor-00001\"}} {Volatile.Read(ref calls)}\n")));
                context.Response.Close();
            }
        }, TestContext.Current.CancellationToken);
        await using var prometheus = await RealPrometheus.StartAsync(null, string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}"), TestContext.Current.CancellationToken);
        await UntilAsync(70);
        Volatile.Write(ref calls, 7);
        var at = TimeProvider.System.GetUtcNow().AddSeconds(2).ToUnixTimeSeconds() / 60;
        await UntilAsync(70);
        using var client = PrometheusClient.Connections(new());
        var options = new PrometheusOptions { Address = prometheus.Address };
        var answer = await new PrometheusClient(client, options, TimeProvider.System).AskAsync(at - 1, at, TestContext.Current.CancellationToken);
        exporter.Stop();
        Assert.Equal([((at + 1) * 60.0, 7)], Assert.Single(answer.Series).Points);
        await Assert.ThrowsAnyAsync<Exception>(() => serving);

        static Task UntilAsync(int seconds) => Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, TestContext.Current.CancellationToken);
    }

    private static List<(long Minute, int Count)> Expected(IEnumerable<(int Minute, int Second, int Count)> calls) =>
        [.. calls.Select(c => (Minute: (long)c.Minute + (c.Second > 60 - Scrape + Offset ? 1 : 0), c.Count)).GroupBy(c => c.Minute).Select(g => (g.Key, g.Sum(c => c.Count))).Order()];

    private List<(long Minute, int Count)> Told(string model) => [.. _arrivals.Recent(new("default", model)).Select(m => (m.At - s_minute, m.Count))];

    /// <summary>Asks minute by minute, as it would have been asked then.</summary>
    private async Task FollowAsync(RealPrometheus prometheus, string query)
    {
        var time = new FakeTimeProvider(s_start.AddSeconds(5));
        var options = new PrometheusOptions { Address = prometheus.Address, Query = query };
        using var client = PrometheusClient.Connections(options);
        var source = new PrometheusSource(new(client, options, time), options, new CatalogFake(RelayRouterTests.Model("default", "bloom"), RelayRouterTests.Model("default", "opt")), _arrivals, time, new LoggerFactory([_log]).CreateLogger<PrometheusSource>());
        for (var minute = 0; minute < Length; minute++)
        {
            await source.TickAsync(TestContext.Current.CancellationToken);
            time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    /// <summary>Counters as scrapes every 15 s find them.</summary>
    private sealed class OpenMetrics(string name)
    {
        private readonly Dictionary<(string Revision, string Gateway, string Code), List<(int At, int Count)>> _calls = [];
        private readonly Dictionary<string, int> _resets = [];
        private readonly Dictionary<string, (int From, int To)> _gaps = [];
        private readonly Dictionary<(string Revision, string Gateway), (int Count, int From)> _begins = [];
        private readonly List<(string Series, int From, int To, int Value)> _others = [];
        private (int From, int To) _up;

        public void Up(int from, int to) => _up = (from, to);

        public void Call(string revision, string gateway, int minute, int second, int count = 1, string code = "200")
        {
            var key = (revision, gateway, code);
            (_calls.TryGetValue(key, out var calls) ? calls : _calls[key] = []).Add(((minute * 60) + second, count));
        }

        public void Reset(string gateway, int minute) => _resets[gateway] = minute;

        public void Gap(string gateway, int from, int to) => _gaps[gateway] = (from, to);

        public void Begins(string revision, string gateway, int count, int minute) => _begins[(revision, gateway)] = (count, minute);

        public void Other(string series, int minute) => _others.Add((series, minute, Length, 1));

        public void Span(string series, int from, int to, int value) => _others.Add((series, from, to, value));

        /// <summary>OpenMetrics wants each family's samples together and each series' in order.</summary>
        public string Text()
        {
            var text = new StringBuilder("# TYPE up gauge\n");
            for (var t = _up.From * 60; t < _up.To * 60; t += Scrape)
            {
                Line(text, "up{instance=\"gateway\"}", 1, t);
            }

            // Counters are given as unknown, so that names without _total may be among them.
            foreach (var family in _others.Select(o => o.Series[..o.Series.IndexOf('{', StringComparison.Ordinal)]).Append(name + "_total").Where(f => f != "up_total").Distinct(StringComparer.Ordinal))
            {
                text.Append(CultureInfo.InvariantCulture, $"# TYPE {family} unknown\n");
                foreach (var ((revision, gateway, code), calls) in family == name + "_total" ? _calls : [])
                {
                    var (before, from) = _begins.GetValueOrDefault((revision, gateway), (0, 0));
                    var reset = _resets.GetValueOrDefault(gateway, int.MaxValue / 60) * 60;
                    // A code's series begins with its first call, the first one's with the gateway.
                    var first = code == "200" ? from * 60 : calls[0].At;
                    for (var t = (first / Scrape * Scrape) + Offset; t < Length * 60; t += Scrape)
                    {
                        var since = t >= reset ? reset : 0;
                        var count = calls.Where(c => c.At <= t && c.At >= since).Sum(c => c.Count) + (t >= reset ? 0 : before);
                        if (t >= first && !(_gaps.TryGetValue(gateway, out var gap) && t >= gap.From * 60 && t < gap.To * 60))
                        {
                            Line(text, $"{family}{{reporter=\"source\",source_workload=\"istio-ingressgateway\",pod=\"{gateway}\",response_code=\"{code}\",destination_service_namespace=\"default\",destination_service_name=\"{revision}\"}}", count, t);
                        }
                    }
                }

                foreach (var (series, from, to, value) in _others.Where(o => o.Series.StartsWith(family + "{", StringComparison.Ordinal)))
                {
                    for (var t = from * 60; t < to * 60; t += Scrape)
                    {
                        Line(text, series, value, t + 5);
                    }
                }
            }

            return text.Append("# EOF\n").ToString();
        }

        private static void Line(StringBuilder text, string series, int value, int at) =>
            text.Append(CultureInfo.InvariantCulture, $"{series} {value} {s_start.ToUnixTimeSeconds() + at}\n");
    }
}
