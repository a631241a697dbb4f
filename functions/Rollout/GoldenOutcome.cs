namespace Prewarm.Functions.Rollout;

/// <summary>What became of a version's golden questions.</summary>
internal enum GoldenOutcome
{
    /// <summary>Every answer contains what is expected.</summary>
    Passed,

    /// <summary>One does not.</summary>
    Failed,

    /// <summary>The model has not spoken: the way to it is not open, or it is not ready. Nothing is known about the version.</summary>
    Unanswered,
}
