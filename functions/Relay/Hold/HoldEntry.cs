namespace Prewarm.Functions.Relay;

/// <summary>What became of a request at its model's hold.</summary>
internal abstract record HoldEntry
{
    /// <summary>It may be sent now.</summary>
    public static readonly HoldEntry Pass = new Free();

    /// <summary>It waits.</summary>
    public sealed record Held(HeldRequest Request) : HoldEntry;

    /// <summary>It cannot wait: 429.</summary>
    public sealed record Full(string Reason, int RetryAfter) : HoldEntry;

    /// <summary>Waiting would be in vain: 503.</summary>
    public sealed record TooLate(TimeSpan Expected, int RetryAfter) : HoldEntry;

    /// <summary>The relay ends: 503.</summary>
    public sealed record Ending(int RetryAfter) : HoldEntry;

    private sealed record Free : HoldEntry;
}
