using System.Diagnostics;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The last part of a cold start as a span, at once: from letting the first request go to the head of its answer. Only the relay sees it; it has the parent of the activation's spans,
/// the request that woke the model, and so stands beside them in one trace.
/// </summary>
internal static class FirstByteSpan
{
    public const string Name = "first_byte";

    public static void Tell(ModelHold hold, DateTimeOffset now, TimeSpan took)
    {
        var parent = ActivityContext.TryParse(hold.Cause, null, isRemote: true, out var cause) ? cause : default;
        using var span = LineTracing.Source.StartActivity(Name, ActivityKind.Internal, parent, startTime: now - took);
        span?.SetTag("prewarm.model", hold.Key.ToString());
        span?.SetTag("prewarm.locality", hold.Cache);
        span?.SetEndTime(now.UtcDateTime);
    }
}
