using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Warm;

/// <summary>A cache worker came anew and may have lost what it held: its container restarted, or its pod is another one.</summary>
internal sealed record WorkerRestart(string Pod, string? Node, DateTimeOffset At)
{
    /// <summary>The latest start of a cache worker; null where none is known.</summary>
    public static WorkerRestart? Latest(IEnumerable<Pod> workers) => workers
        .Select(p => (Pod: p, At: p.Status?.ContainerStatuses?.Max(c => c.State?.Running?.StartedAt ?? c.LastState?.Terminated?.FinishedAt) ?? p.Metadata.CreationTimestamp))
        .Where(p => p.At is not null && p.Pod.Metadata.Name is not null)
        .Select(p => new WorkerRestart(p.Pod.Metadata.Name!, p.Pod.Spec?.NodeName, p.At!.Value))
        .MaxBy(r => r.At);
}
