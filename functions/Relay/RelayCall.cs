using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Functions.Relay;

/// <summary>One request on its way to the gateway, and all that is known of it: also what the forwarder asks about headers, so that a request costs one object.</summary>
internal sealed class RelayCall(HttpContext context, RelayOutcome.Found found, ModelHold hold, TimeProvider time, long arrived, RequestDeadline deadline, TimeSpan? beat, ReplayBody? body, TrafficBook? traffic, string? caller) : HttpTransformer
{
    /// <summary>The most of an answer that becomes one event of a client that hears heartbeats.</summary>
    private const int MaxEvent = 1 << 20;

    private bool _left;

    public HttpContext Context => context;
    public RelayOutcome.Found Found => found;
    public ModelHold Hold => hold;
    public TimeSpan? Beat => beat;
    public RequestDeadline Deadline => deadline;

    /// <summary>What is kept of its body; null: it has none.</summary>
    public ReplayBody? Body => body;

    /// <summary>Where it counts as an arrival; null: it does not.</summary>
    public TrafficBook? Traffic => traffic;

    /// <summary>Whose request it is, where callers are limited.</summary>
    public string? Caller => caller;

    /// <summary>It waits at the hold, or was let go from there.</summary>
    public HeldRequest? Held { get; set; }

    /// <summary>How long it was held so far.</summary>
    public TimeSpan Waited { get; set; }

    /// <summary>What the last answer says; the answer itself is thrown away unless None.</summary>
    public Refusal Refusal { get; private set; }

    /// <summary>The last answer was kept from the client, because the request was to be sent again.</summary>
    public bool Withheld { get; private set; }

    /// <summary>The last answer came from a model that is up.</summary>
    public bool Answered { get; private set; }

    /// <summary>From letting it go to the head of the answer, where it waited for a start; null: it did not.</summary>
    public TimeSpan? FirstByte { get; private set; }

    public TimeSpan Elapsed => time.GetElapsedTime(arrived);

    /// <summary>How long it may still be held.</summary>
    public TimeSpan Left => deadline.Hold - Elapsed;

    /// <summary>The request can be sent from its beginning, now or again.</summary>
    public bool Ready()
    {
        (Refusal, Answered, Withheld) = (Refusal.None, false, false);
        return body?.Rewind() ?? true;
    }

    public override ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        // It copies headers and waits for nothing.
        var copied = base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        HeaderRules.Clean(proxyRequest, httpContext.Request.Headers.Connection);
        proxyRequest.RequestUri = found.To(destinationPrefix);
        proxyRequest.Headers.Host = found.Host;
        if (beat is not null)
        {
            // What is appended to comments cannot be compressed by another.
            proxyRequest.Headers.Remove("Accept-Encoding");
        }

        if (!_left)
        {
            _left = true;
            RelayMetrics.Left(Elapsed - Waited);
        }

        return copied;
    }

    public override ValueTask<bool> TransformResponseAsync(HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse is null)
        {
            return base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        }

        var status = (int)proxyResponse.StatusCode;
        if (beat is not null || (AnswerVerdict.MayBeRefusal(status) && !(proxyResponse.Content.Headers.ContentLength > AnswerVerdict.MaxBytes)))
        {
            return JudgedAsync(httpContext, proxyResponse, status, cancellationToken);
        }

        Judge(status);
        var copied = base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        Mark(httpContext.Response.Headers);
        return copied;
    }

    private async ValueTask<bool> JudgedAsync(HttpContext httpContext, HttpResponseMessage proxyResponse, int status, CancellationToken cancellationToken)
    {
        byte[]? read = null;
        if (AnswerVerdict.MayBeRefusal(status) && !(proxyResponse.Content.Headers.ContentLength > AnswerVerdict.MaxBytes))
        {
            read = await ReadAsync(proxyResponse, AnswerVerdict.MaxBytes + 1, cancellationToken);
            Refusal = AnswerVerdict.Of(status, read);
            if (Refusal != Refusal.None && Left > TimeSpan.Zero && (body?.Rewind() ?? true))
            {
                Withheld = true;
                return false;
            }
        }

        Judge(status);
        if (Heartbeat.Of(httpContext) is { } heard)
        {
            return await AppendAsync(heard, proxyResponse, status, read ?? [], cancellationToken);
        }

        var copy = await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        Mark(httpContext.Response.Headers);
        if (Refusal != Refusal.None && !httpContext.Response.Headers.ContainsKey("Retry-After"))
        {
            httpContext.Response.Headers.RetryAfter = hold.RetryAfter().ToString(CultureInfo.InvariantCulture);
        }

        if (read is null)
        {
            return copy;
        }

        // The forwarder cannot know that the beginning has been read.
        await httpContext.Response.Body.WriteAsync(read, cancellationToken);
        await (await proxyResponse.Content.ReadAsStreamAsync(cancellationToken)).CopyToAsync(httpContext.Response.Body, cancellationToken);
        return false;
    }

    private void Judge(int status)
    {
        // A gateway says these of a pod that is not there; anything else was said by one.
        Answered = Refusal == Refusal.None && status is not (502 or 503 or 504);
        if (Answered)
        {
            hold.Answered();
            if (FirstByte is null && Waited > TimeSpan.Zero)
            {
                FirstByte = Elapsed - Waited;
                var first = hold.IsFirst();
                traffic?.Woken(hold.Key, FirstByte.Value, first);
                if (first)
                {
                    FirstByteSpan.Tell(hold, time.GetUtcNow(), FirstByte.Value);
                }
            }
        }

        hold.Landed(Held, Answered);
    }

    /// <summary>Tells an answer that waited how long, and where the model's bytes were. Durations are milliseconds, as Server-Timing has them (W3C Server Timing, section 3).</summary>
    public void Mark(IHeaderDictionary headers)
    {
        if (Waited <= TimeSpan.Zero)
        {
            return;
        }

        var ms = Waited.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture);
        headers["X-Cold-Start"] = $"held;dur={ms};cache={hold.Cache}";
        headers.Append("Server-Timing", $"hold;dur={ms}");
    }

    private async Task<bool> AppendAsync(Heartbeat heard, HttpResponseMessage answer, int status, byte[] read, CancellationToken cancellationToken)
    {
        if (status == StatusCodes.Status200OK && answer.Content.Headers.ContentType?.MediaType == "text/event-stream")
        {
            heard.Pass();
            return true;
        }

        byte[] whole = [.. read, .. await ReadAsync(answer, MaxEvent + 1 - read.Length, cancellationToken)];
        if (whole.Length > MaxEvent)
        {
            await RelayAnswers.WriteAsync(context, StatusCodes.Status406NotAcceptable, RelayAnswers.Body(context, StatusCodes.Status406NotAcceptable, "too_long",
                new($"the model answered {status} with more than {MaxEvent} bytes, which is no event any more") { Cause = $"ask without {Heartbeat.Header}, or for an answer that is streamed as events" }));
            return false;
        }

        await heard.EventAsync(status, Encoding.UTF8.GetString(whole), cancellationToken);
        return false;
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage answer, int most, CancellationToken cancellationToken)
    {
        var stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        using var buffer = new MemoryStream();
        var chunk = new byte[Math.Min(most, 16 << 10)];
        int read;
        while (buffer.Length < most && (read = await stream.ReadAsync(chunk.AsMemory(0, (int)Math.Min(chunk.Length, most - buffer.Length)), cancellationToken)) > 0)
        {
            buffer.Write(chunk, 0, read);
        }

        return buffer.ToArray();
    }
}
