using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Brings one request to its model:
/// 1. it waits at the hold if the model sleeps; 2. it is sent once; 3. it is sent again only if nothing of it can have reached the model, its body is still there, and its time is not over;
/// 4. whatever else comes of it is the answer.
/// </summary>
internal sealed class RelaySender(IHttpForwarder forwarder, GatewayClient gateway, RelayGuard guard, ModelHolds holds, ICatalog catalog, SendFailure failure, IOptions<RelayOptions> options, TimeProvider time)
{
    /// <summary>How long a gateway that takes no connection is tried, attempts and pauses together.</summary>
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly ReplayBudget _budget = new(options.Value.ReplayTotalBytes);
    private readonly ForwarderRequestConfig _config = new()
    {
        ActivityTimeout = options.Value.ActivityTimeout,
        Version = HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
    };

    /// <summary>Bytes of bodies that are kept now.</summary>
    public long Kept => _budget.Taken;

    /// <summary>Takes the request over, with its body.</summary>
    public RelayCall Begin(HttpContext context, RelayOutcome.Found found, ModelHold hold, long arrived, RequestDeadline deadline, TimeSpan? beat, TrafficBook? traffic, string? caller) =>
        new(context, found, hold, time, arrived, deadline, beat, Body(context), traffic, caller);

    /// <summary>Answers the request, well or not, and gives back what it holds: there is nothing left to do then. One method, because each that waits for another costs an object a request.</summary>
    public async Task<IResult> SendAsync(RelayCall call)
    {
        // The caller's own deadline ends the answer too; without one the model has all the time that the chain of limits grants.
        using var limit = call.Deadline.Answer is { } left ? new CancellationTokenSource(left, time) : null;
        var answerBy = limit?.Token ?? default;
        try
        {
            // 1
            if (holds.MustWait(call.Hold) && !await HoldAsync(call))
            {
                return Results.Empty;
            }

            var (pause, unconnected) = (FirstPause, TimeSpan.Zero);
            while (true)
            {
                // 2
                var sent = call.Elapsed;
                var error = await forwarder.SendAsync(call.Context, gateway.Prefix!, gateway.Http, _config, call, answerBy);
                if (error == ForwarderError.None && call.Refusal == Refusal.None)
                {
                    call.Hold.Forwarded.Inc();
                    return Results.Empty;
                }

                var exception = error == ForwarderError.None ? null : call.Context.GetForwarderErrorFeature()?.Exception;
                var refusal = call.Refusal != Refusal.None ? call.Refusal : GatewayClient.NotConnected(exception) ? Refusal.NotConnected : Refusal.None;
                unconnected += refusal == Refusal.NotConnected ? call.Elapsed - sent : TimeSpan.Zero;
                if (refusal == Refusal.None || call.Context.Response.HasStarted || answerBy.IsCancellationRequested || call.Context.RequestAborted.IsCancellationRequested
                    || (refusal == Refusal.NotConnected && unconnected >= ConnectPatience) || call.Left <= TimeSpan.Zero || !call.Ready())
                {
                    // 4
                    await (call.Withheld && !call.Context.RequestAborted.IsCancellationRequested ? SendFailure.ExpiredAsync(call) : failure.ConcludeAsync(call, error, exception, answerBy));
                    return Results.Empty;
                }

                // 3
                SendFailure.Reset(call.Context);
                RelayMetrics.Resent(refusal);
                if (refusal != Refusal.NotConnected)
                {
                    // The gateway has counted what is sent again.
                    call.Traffic?.Other(call.Hold.Key);
                }

                if (refusal == Refusal.NotReady && !holds.HasOthers(call.Hold))
                {
                    call.Held = holds.Return(call.Hold, call.Held, call.Found, HoldPlanner.Waiting(call.Context.Request.ContentLength));
                    if (!await WaitAsync(call))
                    {
                        return Results.Empty;
                    }
                }
                else if (!await PauseAsync(call, pause))
                {
                    return Results.Empty;
                }
                else
                {
                    unconnected += refusal == Refusal.NotConnected ? pause : TimeSpan.Zero;
                    pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
                }
            }
        }
        finally
        {
            // Whatever ended it: its place and its part of the ramp are free, and so is what was kept of its body.
            call.Body?.Dispose();
            if (call.Held is { } held && !call.Hold.Leave(held))
            {
                call.Hold.Landed(held, call.Answered, ended: true);
            }

            call.Traffic?.Served(call.Hold.Key, call.Elapsed - call.Waited);
            guard.Leave(call.Hold, call.Caller);
        }
    }

    /// <summary>True: the model is awake and it is this request's turn. False: it has been answered, or its caller is gone.</summary>
    private async Task<bool> HoldAsync(RelayCall call)
    {
        var (context, model) = (call.Context, call.Hold.Key.ToString());
        switch (holds.Enter(call.Hold, call.Found, call.Left, HoldPlanner.Waiting(Length(context)), context.Request.Headers.TraceParent))
        {
            case HoldEntry.Held held:
                call.Held = held.Request;
                return await WaitAsync(call);
            case HoldEntry.Full full:
                await RelayAnswers.RefuseAsync(context, StatusCodes.Status429TooManyRequests, model, "full", new("too many requests wait for a model to start") { Cause = full.Reason }, full.RetryAfter);
                return false;
            case HoldEntry.TooLate late:
                await RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, model, "too_late",
                    new("the model starts, but not by this request's deadline") { Cause = FormattableString.Invariant($"a start takes about {late.Expected.TotalSeconds:0.0} s, the request has {call.Left.TotalSeconds:0.0} s") }, late.RetryAfter);
                return false;
            case HoldEntry.Ending ending:
                await RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, model, "ending", new("this relay ends"), ending.RetryAfter);
                return false;
            default:
                return true;
        }
    }

    private async Task<bool> WaitAsync(RelayCall call)
    {
        var (context, held, began) = (call.Context, call.Held!, call.Elapsed);
        var before = call.Waited;
        try
        {
            while (true)
            {
                var left = call.Left > TimeSpan.Zero ? call.Left : TimeSpan.Zero;
                try
                {
                    var why = await held.Released.WaitAsync(call.Beat < left ? call.Beat.Value : left, time, context.RequestAborted);
                    call.Waited = before + (call.Elapsed - began);
                    if (why == ReleaseReason.Turn)
                    {
                        return true;
                    }

                    call.Mark(context.Response.Headers);
                    await (why == ReleaseReason.Deleted ? RelayDesk.DeletedAsync(context, catalog.Current, call.Hold.Key)
                        : RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, call.Hold.Key.ToString(), "ending", new("this relay ends"), call.Hold.RetryAfter()));
                    return false;
                }
                catch (TimeoutException) when (call.Beat is not null && call.Left > TimeSpan.Zero)
                {
                    await (Heartbeat.Of(context) ?? await Heartbeat.BeginAsync(context)).BeatAsync(call.Elapsed, context.RequestAborted);
                }
            }
        }
        catch (TimeoutException)
        {
            call.Waited = before + (call.Elapsed - began);
            await SendFailure.ExpiredAsync(call);
            return false;
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            RelayMetrics.Count(call.Hold.Key.ToString(), "caller_gone");
            return false;
        }
        finally
        {
            RelayMetrics.HeldFor(call.Elapsed - began);
        }
    }

    private async Task<bool> PauseAsync(RelayCall call, TimeSpan pause)
    {
        var left = call.Left;
        try
        {
            await Task.Delay(pause < left ? pause : left > TimeSpan.Zero ? left : TimeSpan.Zero, time, call.Context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            RelayMetrics.Count(call.Hold.Key.ToString(), "caller_gone");
            return false;
        }

        // A timer may be early by a hair: what is sent then is cut off by its deadline, and nobody knows what became of it.
        if (pause < left && call.Left > TimeSpan.Zero)
        {
            return true;
        }

        await SendFailure.ExpiredAsync(call);
        return false;
    }

    private ReplayBody? Body(HttpContext context)
    {
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is not { CanHaveBody: true })
        {
            if (!HttpMethods.IsGet(context.Request.Method))
            {
                // The handler itself repeats what has no body when a connection that it kept turns out to be closed: to it this one has a body, of no bytes.
                context.Features.Set<IHttpRequestBodyDetectionFeature>(EmptyBody.Instance);
            }

            return null;
        }

        var body = new ReplayBody(context.Request.Body, Length(context) > options.Value.ReplayBytes ? 0 : options.Value.ReplayBytes, _budget);
        context.Request.Body = body;
        return body;
    }

    private static long? Length(HttpContext context) => context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true } ? context.Request.ContentLength : 0;

    private sealed class EmptyBody : IHttpRequestBodyDetectionFeature
    {
        public static readonly EmptyBody Instance = new();

        public bool CanHaveBody => true;
    }
}
