namespace Prewarm.Sandbox.Running;

/// <summary>What the command line asks for.</summary>
internal sealed record SandboxOptions
{
    /// <summary>Another API server; null starts the built-in one.</summary>
    public string? Kubeconfig { get; init; }

    /// <summary>Another object store; null starts the built-in one.</summary>
    public Uri? S3 { get; init; }

    public string? AccessKey { get; init; }

    public string? SecretKey { get; init; }

    /// <summary>A published binary (or functions.dll) instead of the one that was built along.</summary>
    public string? Functions { get; init; }

    /// <summary>The folder of <c>knative</c> and <c>eventing</c> to deploy the functions from; null runs all functions in one process.</summary>
    public string? Deploy { get; init; }

    /// <summary>Processes of the functions, each with all of them.</summary>
    public int Replicas { get; init; } = 1;

    public string Bucket { get; init; } = "fluid-demo";

    public int Nodes { get; init; } = 3;

    /// <value>Rate of the one link that all remote reads share, in megabits per second; 0 = no limit.</value>
    public double RemoteMbps { get; init; } = 50;

    /// <value>Idle seconds until a revision has no pods.</value>
    public double ScaleToZero { get; init; } = 4;

    /// <value>Seconds from a pod's binding to its container's start.</value>
    public double PodStart { get; init; } = 0.5;

    /// <summary>NAME=VALUE.</summary>
    public IReadOnlyList<string> Faults { get; init; } = [];
}
