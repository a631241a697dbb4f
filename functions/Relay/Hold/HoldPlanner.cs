using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>Decides whether a request is held, and for how long that makes sense; pure.</summary>
internal static class HoldPlanner
{
    /// <summary>How long an answer is proof that the model is up, when the view says otherwise: a watch lags a wake, and may be cut off for minutes.</summary>
    public static readonly TimeSpan Trust = TimeSpan.FromSeconds(10);

    /// <summary>What a caller is told to wait when no cold start has been measured.</summary>
    public static readonly TimeSpan UnknownEta = TimeSpan.FromSeconds(5);

    /// <summary>
    /// 1. while others wait, everybody does: first come, first served; 2. a model that is up, or of which nothing is known, is asked at once;
    /// 3. one that the view calls asleep is asked at once only while its last answer says more than the view, which has not changed since.
    /// </summary>
    /// <param name="unchanged">The view says what it said when the last wake passed.</param>
    /// <param name="sinceAnswer">Since the last answer of the model; null: none.</param>
    public static bool MustWait(HoldState state, ScaleLevel level, bool unchanged, TimeSpan? sinceAnswer)
    {
        // 1
        if (state is HoldState.Waking or HoldState.Ramping)
        {
            return true;
        }

        // 2
        if (level is ScaleLevel.Up or ScaleLevel.Unknown)
        {
            return false;
        }

        // 3
        return !(sinceAnswer < Trust && (unchanged || level == ScaleLevel.Waking));
    }

    /// <summary>Why one more request cannot be held; null: it can.</summary>
    public static string? Full(int heldOfModel, int heldOfAll, long bytesOfAll, long bytes, RelayOptions limits) =>
        heldOfModel >= limits.HoldPerModel ? $"{heldOfModel} requests wait for this model already (Relay__HoldPerModel)"
        : heldOfAll >= limits.HoldTotal ? $"{heldOfAll} requests wait in this relay already (Relay__HoldTotal)"
        : bytesOfAll + bytes > limits.HoldBytes ? $"bodies of {bytesOfAll} bytes wait in this relay already (Relay__HoldBytes)"
        : null;

    /// <summary>True when no cold start that was measured would have been over by the deadline.</summary>
    public static bool TooLate(TimeSpan deadline, TimeSpan? shortest, TimeSpan sinceWake) => shortest is { } least && sinceWake < least && sinceWake + deadline < least;

    /// <summary>Whole seconds until the model is expected to be up; at least 1.</summary>
    public static int RetryAfter(TimeSpan? typical, TimeSpan sinceWake)
    {
        var left = (typical ?? UnknownEta) - sinceWake;
        return (int)Math.Clamp(Math.Ceiling(left.TotalSeconds), 1, 3600);
    }

    /// <summary>Bytes of a body that wait in memory while its request is held: nobody reads it, so as much as the server reads ahead.</summary>
    public static long Waiting(long? contentLength) => Math.Min(contentLength ?? ReadAhead, ReadAhead);

    /// <summary>Kestrel's MaxRequestBufferSize.</summary>
    private const long ReadAhead = 1 << 20;
}
