using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>
/// What a wake's time went to. Kubernetes tells times in whole seconds, so phases of the pod are that coarse; clocks of several machines are compared, so no
/// phase is below zero. The phases follow one another, except that signal and verdict lie inside scheduled:
/// signal (PodAutoscaler written to seen), verdict (seen to decided), scheduled (PodAutoscaler written to the pod bound), mount (to volumes mounted and the sandbox up),
/// image (to the container started, its image pulled), load (to the container ready), ready (to the Revision active), total.
/// </summary>
internal static class ColdStart
{
    public static List<ActivationPhase> Phases(DateTimeOffset since, DateTimeOffset seen, DateTimeOffset decided, Pod? pod, DateTimeOffset ended)
    {
        var phases = new List<ActivationPhase>();
        Add(phases, "signal", since, seen);
        Add(phases, "verdict", seen, decided);
        var at = since;
        foreach (var (name, when) in (ReadOnlySpan<(string, DateTimeOffset?)>)[
            ("scheduled", Reached(pod, "PodScheduled")),
            ("mount", Reached(pod, "PodReadyToStartContainers")),
            ("image", Started(pod)),
            ("load", Reached(pod, "Ready")),
            ("ready", pod is null ? null : ended)])
        {
            if (when is { } time)
            {
                time = time > ended ? ended : time;
                Add(phases, name, at, time);
                at = time > at ? time : at;
            }
        }

        Add(phases, "total", since, ended);
        return phases;
    }

    private static void Add(List<ActivationPhase> phases, string name, DateTimeOffset from, DateTimeOffset to) =>
        phases.Add(new() { Name = name, Seconds = Math.Round(Math.Max(0, (to - from).TotalSeconds), 3) });

    private static DateTimeOffset? Reached(Pod? pod, string condition) =>
        pod?.Status?.Conditions?.Find(c => c.Type == condition && c.Status == "True")?.LastTransitionTime;

    // The model server is the first container; sidecars come after it.
    private static DateTimeOffset? Started(Pod? pod) =>
        (pod?.Status?.ContainerStatuses?.Find(c => c.Name == "kserve-container") ?? pod?.Status?.ContainerStatuses?.FirstOrDefault())?.State?.Running?.StartedAt;
}
