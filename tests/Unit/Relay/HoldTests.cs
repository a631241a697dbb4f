using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Scale;
using Xunit;
using static Prewarm.Tests.Unit.Relay.RelayWorld;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>What becomes of requests for a model at zero.</summary>
public sealed class HoldTests
{
    [Fact]
    public async Task FiveHundredAtZero_WakeOnce_AndAllAreAnswered()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        var up = new TaskCompletionSource();
        world.Ready = async context =>
        {
            await up.Task;
            await context.Response.WriteAsync("""{"name":"bloom","ready":true}""");
        };
        var (running, most) = (0, 0);
        world.Predict = async (context, body) =>
        {
            lock (up)
            {
                most = Math.Max(most, ++running);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
            lock (up)
            {
                running--;
            }

            await context.Response.WriteAsync(body);
        };
        var answers = Enumerable.Range(0, 500).Select(i => world.AskAsync(i.ToString(CultureInfo.InvariantCulture))).ToList();
        await UntilAsync(() => world.Holds.Totals.Count == 500);
        Assert.Equal((1, 0), (world.Wakes, world.Predictions.Count));
        up.SetResult();
        for (var i = 0; i < answers.Count; i++)
        {
            using var answer = await answers[i].WaitAsync(Limit);
            Assert.Equal(i.ToString(CultureInfo.InvariantCulture), await answer.Content.ReadAsStringAsync());
            Assert.Matches(@"^held;dur=\d+;cache=local$", Assert.Single(answer.Headers.GetValues("X-Cold-Start")));
            Assert.Matches(@"^hold;dur=\d+$", Assert.Single(answer.Headers.GetValues("Server-Timing")));
        }

        Assert.Equal((1, 500, 0, 0), (world.Wakes, world.Predictions.Count, world.Holds.Totals.Count, world.Holds.Totals.Bytes));
        Assert.True(most < 500, "all were let go at once");
        // The next one is not held, and says nothing of a cold start.
        using var next = await world.AskAsync();
        Assert.False(next.Headers.Contains("X-Cold-Start"));
        Assert.Equal(1, world.Wakes);
    }

    [Fact]
    public async Task FirstByte_OfWhatWaited_IsInTheMinutesReport_AndOfNothingElse()
    {
        await using var world = await RelayWorld.StartAsync(("K_SINK", "http://127.0.0.1:9"));
        var book = Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions.GetRequiredService<Functions.Relay.TrafficBook>(world.Services);
        await BodyAsync(world.AskAsync("warm"));
        await UntilAsync(() => Tally() is { Ended: 1, FirstByte: null });
        world.Scale.Set(ScaleLevel.Zero);
        await BodyAsync(world.AskAsync("held"));
        await UntilAsync(() => book.Take(all: true).SelectMany(p => p.Models).Any(m => m.Value is { FirstByte: >= 0 and < 20 }));

        Functions.Relay.TrafficTally? Tally() => book.Take(all: true).SelectMany(p => p.Models).Select(m => m.Value).FirstOrDefault(t => t.Ended > 0);
    }

    [Fact]
    public async Task FirstByte_OfAColdStart_IsOneSpanInTheTraceOfTheRequestThatWoke()
    {
        const string cause = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        var spans = new System.Collections.Concurrent.ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == "Prewarm",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = a =>
            {
                if (a.OperationName == "first_byte" && a.TraceId.ToString() == cause[3..35])
                {
                    spans.Enqueue(a);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await using var world = await RelayWorld.StartAsync(("K_SINK", "http://127.0.0.1:9"));
        world.Scale.Set(ScaleLevel.Zero);
        var up = new TaskCompletionSource();
        world.Ready = async context =>
        {
            await up.Task;
            await context.Response.WriteAsync("""{"name":"bloom","ready":true}""");
        };
        var first = world.AskAsync("first", default, ("traceparent", cause));
        await UntilAsync(() => world.Wakes == 1 && world.Holds.Totals.Count == 1);
        var second = world.AskAsync("second", default, ("traceparent", cause));
        await UntilAsync(() => world.Holds.Totals.Count == 2);
        // Shorter than that is no cold start.
        await Task.Delay(TimeSpan.FromMilliseconds(60), TimeProvider.System);
        up.SetResult();
        await BodyAsync(first);
        await BodyAsync(second);
        var span = Assert.Single(spans);
        Assert.Equal((cause[36..52], "default/bloom", "local"), (span.ParentSpanId.ToString(), span.GetTagItem("prewarm.model"), span.GetTagItem("prewarm.locality")));
        Assert.InRange(span.Duration, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        // And one event for the status, without waiting for the minute's report.
        Assert.Equal("bloom", Assert.Single(Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions.GetRequiredService<Functions.Relay.TrafficBook>(world.Services).TakeCold()).Model.Name);
    }

    [Fact]
    public async Task Release_OnePodWithRoomForOne_IsInTheOrderOfArrival()
    {
        await using var world = await RelayWorld.StartAsync(concurrency: 1);
        world.Scale.Set(ScaleLevel.Zero);
        var up = new TaskCompletionSource();
        world.Ready = _ => up.Task;
        var running = 0;
        world.Predict = async (context, body) =>
        {
            Assert.Equal(1, Interlocked.Increment(ref running));
            await Task.Yield();
            Interlocked.Decrement(ref running);
            await context.Response.WriteAsync(body);
        };
        List<Task<HttpResponseMessage>> answers = [];
        for (var i = 0; i < 500; i++)
        {
            answers.Add(world.AskAsync(i.ToString(CultureInfo.InvariantCulture)));
            await UntilAsync(() => world.Holds.Totals.Count == answers.Count);
        }

        up.SetResult();
        await Task.WhenAll(answers.Select(a => BodyAsync(a)));
        Assert.Equal(Enumerable.Range(0, 500), world.Predictions.Select(p => int.Parse(p, CultureInfo.InvariantCulture)));
    }

    [Fact]
    public async Task NeverReady_EachCallerIsToldByItsOwnDeadline_AndNothingIsLeft()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        world.Ready = context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        };
        var began = TimeProvider.System.GetTimestamp();
        var tasks = new[] { 0.3, 0.6, 0.9 }.SelectMany(s => Enumerable.Range(0, 5).Select(async i =>
        {
            using var answer = await world.AskAsync("{}", default,
                i % 2 == 0 ? ("Request-Timeout", s.ToString(CultureInfo.InvariantCulture)) : ("X-Request-Timeout-Ms", (s * 1000).ToString(CultureInfo.InvariantCulture)));
            var took = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.InRange(int.Parse(Assert.Single(answer.Headers.GetValues("Retry-After")), CultureInfo.InvariantCulture), 1, 600);
            Assert.InRange(took, s - 0.01, s + 2);
            Assert.True(answer.Headers.Contains("X-Cold-Start"));
            return took;
        })).ToList();
        await Task.WhenAll(tasks).WaitAsync(Limit);
        // The answer is on its way before its place is free.
        await UntilAsync(() => world.Holds.Totals is { Count: 0, Bytes: 0 });
        Assert.Equal((0, 0L, 0), (world.Holds.Totals.Count, world.Holds.Totals.Bytes, world.Predictions.Count));
        Assert.True(world.Wakes > 1, "the readiness request was not repeated");
    }

    [Fact]
    public async Task CallerGone_ItsSlotIsFreeAtOnce()
    {
        await using var world = await RelayWorld.StartAsync(("Relay:HoldPerModel", "1"));
        world.Scale.Set(ScaleLevel.Zero);
        var up = new TaskCompletionSource();
        world.Ready = _ => up.Task;
        using var leaving = new CancellationTokenSource();
        var gone = world.AskAsync("gone", leaving.Token);
        await UntilAsync(() => world.Holds.Totals.Count == 1);
        using (var full = await world.AskAsync("full"))
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, full.StatusCode);
            Assert.Contains("Relay__HoldPerModel", await full.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.True(full.Headers.Contains("Retry-After"));
        }

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        await UntilAsync(() => world.Holds.Totals.Count == 0);
        var stays = world.AskAsync("stays");
        await UntilAsync(() => world.Holds.Totals.Count == 1);
        up.SetResult();
        Assert.Equal("stays", await BodyAsync(stays));
        Assert.Equal(["stays"], world.Predictions);
    }

    [Fact]
    public async Task DeadlineBelowEveryColdStart_IsRefusedAtOnce_AndTheModelWakesAllTheSame()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        var slow = TimeSpan.FromSeconds(1.2);
        world.Ready = _ => Task.Delay(slow, TimeProvider.System);
        Assert.Equal("first", await BodyAsync(world.AskAsync("first")));
        world.Scale.Set(ScaleLevel.Up, 1);
        Assert.Equal("warm", await BodyAsync(world.AskAsync("warm")));
        world.Scale.Set(ScaleLevel.Zero);
        var began = TimeProvider.System.GetTimestamp();
        using (var late = await world.AskAsync("late", default, ("Request-Timeout", "0.5")))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, late.StatusCode);
            Assert.Equal("2", Assert.Single(late.Headers.GetValues("Retry-After")));
            Assert.InRange(TimeProvider.System.GetElapsedTime(began).TotalSeconds, 0, 0.45);
        }

        // It came for nothing, but not in vain.
        await UntilAsync(() => world.Wakes == 2);
        Assert.Equal("in time", await BodyAsync(world.AskAsync("in time", default, ("Request-Timeout", "10"))));
        Assert.Equal((2, 3), (world.Wakes, world.Predictions.Count));
    }

    [Fact]
    public async Task ViewThatStaysBehind_DoesNotHoldWhatWasJustAnswered_AndAStaleOneCostsOneReadinessRequest()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("{}", await BodyAsync(world.AskAsync()));
        }

        // The view says zero all the time, as when its watch is cut off: the model itself knows better.
        Assert.Equal((1, 20), (world.Wakes, world.Predictions.Count));
        world.Scale.Set(ScaleLevel.Up, 1);
        world.Scale.Set(ScaleLevel.Zero);
        Assert.Equal("{}", await BodyAsync(world.AskAsync()));
        Assert.Equal(2, world.Wakes);
    }

    [Fact]
    public async Task ReadinessRequest_ThatHangsAtARevisionWithoutAPod_IsAskedAnewWhenTheModelIsUp()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        world.Ready = context => world.Wakes == 1 ? Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted) : context.Response.WriteAsync("""{"name":"bloom","ready":true}""");
        var asked = world.AskAsync("held");
        await UntilAsync(() => world.Wakes == 1);
        world.Scale.Set(ScaleLevel.Up, 1, revision: "bloom-predictor-00002");
        Assert.Equal("held", await BodyAsync(asked));
        Assert.Equal((2, 1), (world.Wakes, world.Predictions.Count));
    }

    [Fact]
    public async Task HoldOfAllModels_CountsRequestsAndBytes()
    {
        await using var world = await RelayWorld.StartAsync(("Relay:HoldBytes", "1500"));
        world.Scale.Set(ScaleLevel.Zero);
        var up = new TaskCompletionSource();
        world.Ready = _ => up.Task;
        var first = world.AskAsync(new string('x', 1000));
        await UntilAsync(() => world.Holds.Totals is { Count: 1, Bytes: 1000 });
        Assert.Contains("Relay__HoldBytes", await BodyAsync(world.AskAsync(new string('y', 1000)), HttpStatusCode.TooManyRequests), StringComparison.Ordinal);
        up.SetResult();
        Assert.Equal(1000, (await BodyAsync(first)).Length);
    }

    /// <summary>The limits of one model and of all, each with its name, and no room is lost by those who were refused or have gone.</summary>
    [Fact]
    public void Totals_OneMoreThanTheLimit_IsRefusedWithItsName()
    {
        var (totals, limits) = (new Functions.Relay.HoldTotals(), new Functions.Relay.RelayOptions { HoldPerModel = 3, HoldTotal = 4, HoldBytes = 100 });
        Assert.All(Enumerable.Range(0, 3), i => Assert.Null(totals.TryAdd(i, 10, limits)));
        Assert.Contains("Relay__HoldPerModel", totals.TryAdd(3, 10, limits), StringComparison.Ordinal);
        Assert.Null(totals.TryAdd(0, 10, limits));
        Assert.Contains("Relay__HoldTotal", totals.TryAdd(1, 10, limits), StringComparison.Ordinal);
        totals.Remove(10);
        Assert.Contains("Relay__HoldBytes", totals.TryAdd(1, 71, limits), StringComparison.Ordinal);
        Assert.Null(totals.TryAdd(1, 70, limits));
        Assert.Equal((4, 100L), (totals.Count, totals.Bytes));
    }

    [Fact]
    public async Task V2OnlyModel_IsWokenByThePathThatWorks()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        List<string> paths = [];
        world.Ready = context =>
        {
            paths.Add(context.Request.Path);
            Assert.StartsWith("prewarm-relay", context.Request.Headers.UserAgent.ToString(), StringComparison.Ordinal);
            Assert.Equal("bloom.default.example.com", context.Request.Host.Value);
            context.Response.StatusCode = context.Request.Path.StartsWithSegments("/v2", StringComparison.Ordinal) ? 200 : 404;
            return Task.CompletedTask;
        };
        Assert.Equal("{}", await BodyAsync(world.AskAsync()));
        Assert.Equal(["/v1/models/bloom", "/v2/models/bloom/ready"], paths);
        world.Scale.Set(ScaleLevel.Up, 1);
        world.Scale.Set(ScaleLevel.Zero);
        Assert.Equal("{}", await BodyAsync(world.AskAsync()));
        Assert.Equal("/v2/models/bloom/ready", paths[^1]);
        Assert.Equal(3, paths.Count);
    }

    [Fact]
    [SuppressMessage("Reliability", "CA2000", Justification = "disposed with the stream")]
    public async Task Heartbeats_AreHeardWhileWaiting_AndTheEventsFollow()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        var up = new TaskCompletionSource();
        world.Ready = _ => up.Task;
        world.Predict = async (context, _) =>
        {
            Assert.False(context.Request.Headers.ContainsKey("X-Prewarm-Heartbeat"));
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: one\n\n");
        };
        using var answer = await world.AskAsync("{}", default, ("Accept", "text/event-stream"), ("X-Prewarm-Heartbeat", "1"));
        Assert.Equal((HttpStatusCode.OK, "text/event-stream"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        Assert.StartsWith(": waiting", await reader.ReadLineAsync().WaitAsync(Limit), StringComparison.Ordinal);
        up.SetResult();
        Assert.EndsWith("data: one\n\n", await reader.ReadToEndAsync().WaitAsync(Limit), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Heartbeats_ThenNoModel_EndWithAnErrorEvent()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        world.Ready = context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        };
        var text = await BodyAsync(world.AskAsync("{}", default, ("Accept", "text/event-stream"), ("X-Prewarm-Heartbeat", "1"), ("Request-Timeout", "1.5")));
        Assert.Contains(": waiting", text, StringComparison.Ordinal);
        Assert.Contains("event: error\nid: 503\ndata: {\"error\":\"the model did not start", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EndOfTheRelay_TellsWhoeverWaitsToComeAgain()
    {
        await using var world = await RelayWorld.StartAsync();
        world.Scale.Set(ScaleLevel.Zero);
        world.Ready = context => Task.Delay(TimeSpan.FromMinutes(1), TimeProvider.System, context.RequestAborted);
        var held = Enumerable.Range(0, 20).Select(_ => world.AskAsync()).ToList();
        await UntilAsync(() => world.Holds.Totals.Count == 20);
        world.Holds.End();
        foreach (var one in held)
        {
            using var answer = await one.WaitAsync(Limit);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.True(answer.Headers.Contains("Retry-After"));
        }

        Assert.Equal(0, world.Holds.Totals.Count);
    }
}
