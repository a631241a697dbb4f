namespace Prewarm.Functions.Relay;

/// <summary>Where one model's hold stands.</summary>
internal enum HoldState
{
    /// <summary>Nobody waits.</summary>
    Open,

    /// <summary>Requests wait until a readiness request passes end to end.</summary>
    Waking,

    /// <summary>The model is up; those who waited are let go a few at a time.</summary>
    Ramping,
}
