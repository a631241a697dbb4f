namespace Prewarm.Functions.Prewarm;

/// <summary>
/// The cost of a forecast over all patiences at once. At patience p a slot is warm when rate × p ≥ 1; its cost is the time held, and p if the call came while
/// it was not. Summed over p with weight 1/p² that is the Poisson likelihood, in which short gaps count most because there are most of them. Here the weight
/// is p^<see cref="Power"/> times that, which evens it out, as cold starts fall by about that power of patience. Proper: the true rate is best at each patience.
/// </summary>
internal static class TiltedLoss
{
    /// <summary>How much more patient settings count; 0 is the likelihood. Found on public traces, not sensitive from 0.2 to 0.5.</summary>
    public const float Power = 0.3f;

    // Beyond these patiences the weight stays as it is: log rates of one in 50,000 s and one in 30 s. Weight one at a rate of e^-5.
    private const float Low = -10.82f;
    private const float High = -3.4f;
    private const float Middle = -5;

    private static readonly float AtLow = Tilt(Low);
    private static readonly float AtHigh = Tilt(High);
    private static readonly float HeldLow = AtLow * MathF.Exp(Low);
    private static readonly float HeldHigh = HeldLow + Inner(High) - Inner(Low);
    private static readonly float MissedLow = (AtLow - AtHigh) / Power;

    /// <summary>What the likelihood's gradient by the log rate is multiplied by.</summary>
    public static float Weight(float logRate) => Tilt(Math.Clamp(logRate, Low, High));

    /// <summary>Cost per second that no call comes.</summary>
    public static float Held(float logRate) =>
        logRate <= Low ? AtLow * MathF.Exp(logRate)
        : logRate <= High ? HeldLow + Inner(logRate) - Inner(Low)
        : HeldHigh + AtHigh * (MathF.Exp(logRate) - MathF.Exp(High));

    /// <summary>Cost of a call.</summary>
    public static float Missed(float logRate) =>
        logRate >= High ? -AtHigh * (logRate - High)
        : logRate >= Low ? (Tilt(logRate) - AtHigh) / Power
        : MissedLow + AtLow * (Low - logRate);

    private static float Tilt(float logRate) => MathF.Exp(-Power * (logRate - Middle));

    private static float Inner(float logRate) => MathF.Exp(Power * Middle + (1 - Power) * logRate) / (1 - Power);
}
