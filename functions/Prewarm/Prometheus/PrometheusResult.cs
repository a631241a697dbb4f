namespace Prewarm.Functions.Prewarm;

/// <summary>What came of a question.</summary>
internal enum PrometheusResult
{
    Read,

    /// <summary>It answered, with warnings: something may be missing.</summary>
    Partial,
    Unreachable,
    TimedOut,

    /// <summary>Another status than 200, or an error of its own.</summary>
    Refused,
    TooLarge,
    TooManySeries,

    /// <summary>200, but no matrix.</summary>
    Unreadable,
}
