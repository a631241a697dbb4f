namespace Prewarm.Functions.Relay;

/// <summary>Why a request waits no longer.</summary>
internal enum ReleaseReason
{
    /// <summary>It may be sent now.</summary>
    Turn,

    /// <summary>The relay ends.</summary>
    Ending,

    /// <summary>Its model is no more.</summary>
    Deleted,
}
