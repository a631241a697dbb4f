using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

/// <summary>What a request is told that was sent, or waited to be, and got no answer of the model's.</summary>
internal sealed class SendFailure(IOptions<RelayOptions> options, ILogger<SendFailure> logger)
{
    /// <summary>Its time was over before the model was there.</summary>
    public static Task ExpiredAsync(RelayCall call)
    {
        Reset(call.Context);
        call.Mark(call.Context.Response.Headers);
        return RelayAnswers.RefuseAsync(call.Context, StatusCodes.Status503ServiceUnavailable, call.Hold.Key.ToString(), "expired",
            new("the model did not start by this request's deadline") { Cause = FormattableString.Invariant($"it was held for {call.Waited.TotalSeconds:0.0} s") }, call.Hold.RetryAfter());
    }

    /// <summary>Says what went wrong on the way, or passes on what cannot be taken back.</summary>
    public async Task ConcludeAsync(RelayCall call, ForwarderError error, Exception? exception, CancellationToken answerBy)
    {
        var (context, key) = (call.Context, call.Hold.Key);
        if (error == ForwarderError.None)
        {
            call.Hold.Forwarded.Inc();
            return;
        }

        if (context.RequestAborted.IsCancellationRequested)
        {
            RelayMetrics.Count(key.ToString(), "caller_gone");
            return;
        }

        if (Unreadable(exception) is { StatusCode: not StatusCodes.Status413PayloadTooLarge } unreadable && !context.Response.HasStarted)
        {
            // Broken chunks, a body that came too slowly: the caller's doing, not the gateway's.
            Reset(context);
            await RelayAnswers.RefuseAsync(context, unreadable.StatusCode, key.ToString(), "bad_body", BadBody(unreadable));
            return;
        }

        if (Unreadable(exception) is not null)
        {
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status413PayloadTooLarge, key.ToString(), "too_large", RelayGuard.TooLarge(options.Value));
            return;
        }

        var expired = answerBy.IsCancellationRequested;
        var timedOut = expired || (error is ForwarderError.RequestTimedOut && !GatewayClient.NotConnected(exception));
        var cause = expired ? $"the request's own deadline of {call.Deadline.Answer!.Value.TotalSeconds} s is over"
            : timedOut ? $"no byte from the gateway for {options.Value.ActivityTimeout.TotalSeconds} s"
            : exception?.GetBaseException().Message ?? error.ToString();
        Log.ForwardFailed(logger, key, error.ToString(), cause);
        if (context.Response.HasStarted)
        {
            // The caller has part of an answer: only a broken connection tells it that the rest is missing.
            RelayMetrics.Count(key.ToString(), "broken");
            context.Abort();
            return;
        }

        Reset(context);
        call.Mark(context.Response.Headers);
        await RelayAnswers.RefuseAsync(context, timedOut ? StatusCodes.Status504GatewayTimeout : StatusCodes.Status502BadGateway, key.ToString(), timedOut ? "timed_out" : "failed",
            new(timedOut ? "the model did not answer in time" : "the gateway could not be asked") { Cause = cause });
    }

    /// <summary>Takes back what an attempt has left in the answer, so that another can be made.</summary>
    public static void Reset(HttpContext context)
    {
        context.Features.Set<IForwarderErrorFeature>(null);
        // Where heartbeats were sent, it is theirs, in which an attempt has left its status: the next would be refused.
        if (!context.Response.HasStarted)
        {
            context.Response.Clear();
        }
    }

    public static RelayProblem BadBody(BadHttpRequestException exception) => new("the body cannot be read as the request's head describes it") { Cause = exception.Message };

    /// <summary>What the server found wrong with the body; null: it was not that.</summary>
    private static BadHttpRequestException? Unreadable(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is BadHttpRequestException bad)
            {
                return bad;
            }

            // Kestrel's word for a chunk that is longer than any number.
            if (exception is IOException { InnerException: OverflowException } chunk)
            {
                return new(chunk.Message);
            }
        }

        return null;
    }
}
