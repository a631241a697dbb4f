namespace Prewarm.Sandbox.Knative;

/// <summary>Timings of the miniature, and what of the real defaults it keeps (facts/knative.md §3, §4).</summary>
internal sealed record KnativeOptions
{
    /// <summary>Host names end in this.</summary>
    public string Domain { get; init; } = "example.com";

    /// <summary>Idle time after which a revision has no pods; really 60 s window + 30 s grace.</summary>
    public TimeSpan ScaleToZero { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>From a pod's binding to its container's start: image, sandbox, network.</summary>
    public TimeSpan PodStart { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a revision may take to its first ready pod, and a wake to its pod.</summary>
    public TimeSpan ProgressDeadline { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>The longest a request may wait and run, when the revision says nothing.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Concurrent requests that one pod should have (container-concurrency-target-default).</summary>
    public int TargetConcurrency { get; init; } = 100;

    /// <summary>How often the autoscaler looks at the traffic; really every 2 s.</summary>
    public TimeSpan Look { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>First pause of a crash loop; it doubles up to 5 min. A kubelet begins with 10 s.</summary>
    public TimeSpan CrashBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>So many pods, for which other nodes score higher than those that their affinity prefers: the first that are placed while <see cref="StrayFile"/> is there.</summary>
    public int StrayPods { get; init; }

    public string? StrayFile { get; init; }

    /// <summary>Runs the containers that are no predictors; without it there are none.</summary>
    public IContainerRuntime? Containers { get; init; }
}
