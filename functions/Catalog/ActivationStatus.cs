namespace Prewarm.Functions.Catalog;

/// <summary>The last wake from zero.</summary>
internal sealed class ActivationStatus
{
    /// <summary>The PodAutoscaler's uid and the time its Active became Unknown: the same for everyone who sees it.</summary>
    public string Id { get; set; } = "";

    /// <summary>Waking, Ready, TimedOut or Ended (back to zero before it was ready).</summary>
    public string Phase { get; set; } = "";
    public DateTimeOffset? Since { get; set; }
    public string? Revision { get; set; }
    public string? Version { get; set; }

    /// <summary>Local, Spread, Remote, Partial, Cold or Unknown: the last verdict before the pod was ready.</summary>
    public string? Verdict { get; set; }
    public string? Reason { get; set; }

    /// <summary>The reason for a person, and what is done about it.</summary>
    public string? Message { get; set; }

    /// <summary>The node of the woken pod; null until it is bound to one.</summary>
    public string? Node { get; set; }

    /// <summary>What the wake's time went to.</summary>
    public List<ActivationPhase>? Phases { get; set; }
}

internal sealed class ActivationPhase
{
    public string Name { get; set; } = "";

    /// <summary>Length of the phase.</summary>
    public double Seconds { get; set; }
}
