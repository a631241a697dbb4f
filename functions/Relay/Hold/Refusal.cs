namespace Prewarm.Functions.Relay;

/// <summary>Why nothing of a request can have reached the model.</summary>
internal enum Refusal
{
    /// <summary>It may have: the request is over, whatever its answer.</summary>
    None,

    /// <summary>There was no connection to the gateway.</summary>
    NotConnected,

    /// <summary>Knative's queue was full.</summary>
    QueueFull,

    /// <summary>The model server was up before its model.</summary>
    NotReady,
}
