using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>One wake from zero while it lasts.</summary>
internal sealed class Activation(string id, ModelKey model, PodAutoscaler autoscaler, DateTimeOffset since, DateTimeOffset seen)
{
    private readonly TaskCompletionSource<(string Phase, DateTimeOffset At)> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile TaskCompletionSource _pod = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Id { get; } = id;
    public ModelKey Model { get; } = model;

    /// <summary>As it was when the wake was seen; its name and labels do not change.</summary>
    public PodAutoscaler Autoscaler { get; } = autoscaler;
    public string Revision { get; } = ServedVersion.Revision(autoscaler.Metadata) ?? "";
    public DateTimeOffset Since { get; } = since;
    public DateTimeOffset Seen { get; } = seen;

    /// <summary>W3C traceparent of the request that woke it, where that is known.</summary>
    public string? Traceparent { get; init; }

    /// <summary>Ready, TimedOut or Ended, and when that was seen.</summary>
    public Task<(string Phase, DateTimeOffset At)> End => _ended.Task;

    public void Ended(string phase, DateTimeOffset at) => _ended.TrySetResult((phase, at));

    /// <summary>Completes at the next change of one of its Revision's pods.</summary>
    public Task NextPod => _pod.Task;

    public void PodChanged()
    {
        // The new promise first: whoever looks again must not find the old, completed one.
        var changed = _pod;
        _pod = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }

    public ActivationStatus Status(string phase, VersionStatus? version, LocalityVerdict verdict, string repair, string? node, List<ActivationPhase>? phases) => new()
    {
        Id = Id,
        Phase = phase,
        Since = Since,
        Revision = Revision,
        Version = version?.Name,
        Verdict = verdict.Locality.ToString(),
        Reason = verdict.Reason,
        Message = repair.Length > 0 ? $"{verdict.Message}; {repair}" : verdict.Message,
        Node = node,
        Phases = phases,
    };
}
