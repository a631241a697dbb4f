using System.Globalization;

namespace Prewarm.Functions.Scale;

/// <summary>What one PodAutoscaler says, read as a level (knative pkg/reconciler/autoscaling/kpa/kpa.go).</summary>
/// <param name="FirstDeploy">It is starting, but has never had a ready pod: a deployment and no wake.</param>
/// <param name="ReadyPods">actualScale; 0 when it is not told.</param>
/// <param name="Since">Active's lastTransitionTime, whole seconds.</param>
internal readonly record struct ScaleSignal(ScaleLevel Level, bool FirstDeploy, int ReadyPods, DateTimeOffset? Since)
{
    /// <summary>
    /// 1. Active True is up. 2. Active False is zero, or failed when it timed out. 3. Active Unknown with ready pods is up: it has fewer than its minimum, as in a
    /// scale-out. 4. Active Unknown without, after an initial scale was reached and with pods asked for, is a wake. Anything else is not known.
    /// </summary>
    public static ScaleSignal Of(PodAutoscaler autoscaler)
    {
        var status = autoscaler.Status;
        var active = Condition(status, "Active");
        var ready = Math.Max(0, status?.ActualScale ?? 0);
        var initialized = Condition(status, "ScaleTargetInitialized")?.Status == "True";
        var starting = active?.Status == "Unknown" && ready == 0 && status?.DesiredScale is null or > 0;
        var level = active?.Status switch
        {
            "True" => ScaleLevel.Up,
            "False" => active.Reason == "TimedOut" ? ScaleLevel.Failed : ScaleLevel.Zero,
            "Unknown" when ready > 0 => ScaleLevel.Up,
            "Unknown" when initialized && active.Reason == "Queued" && status?.DesiredScale > 0 => ScaleLevel.Waking,
            _ => ScaleLevel.Unknown,
        };
        return new(level, starting && !initialized, ready, active?.LastTransitionTime);
    }

    /// <summary>The activation's id, the same for everyone who sees it: the PodAutoscaler's uid and Active's lastTransitionTime. Null unless waking.</summary>
    public string? ActivationId(string? uid) => Level == ScaleLevel.Waking && Since is { } since && !string.IsNullOrEmpty(uid)
        ? string.Create(CultureInfo.InvariantCulture, $"{uid}/{since.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}")
        : null;

    private static ScaleCondition? Condition(PodAutoscalerStatus? status, string type) => status?.Conditions?.Find(c => c?.Type == type);
}
