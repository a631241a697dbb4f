namespace Prewarm.Functions.Relay;

/// <summary>What a readiness request came to.</summary>
internal enum Readiness
{
    /// <summary>The model does not answer well yet.</summary>
    NotReady,

    /// <summary>The model is up.</summary>
    Ready,

    /// <summary>Nobody gets through without credentials of his own: whether the model is up cannot be known.</summary>
    Closed,
}
