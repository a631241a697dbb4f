using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.Knative;

/// <summary>A container that runs.</summary>
internal interface IRunningContainer : IAsyncDisposable
{
    /// <summary>Where it answers.</summary>
    Uri Address { get; }

    /// <summary>Completes when it has ended by itself.</summary>
    Task Ended { get; }
}

/// <summary>Runs containers that are no predictors.</summary>
internal interface IContainerRuntime
{
    /// <summary>Starts the pod's container and waits until it is ready.</summary>
    /// <returns>Null when its image is none of this runtime's.</returns>
    /// <exception cref="InvalidOperationException">It could not be started, or ended at once; the message says why.</exception>
    Task<IRunningContainer?> StartAsync(JsonObject pod, CancellationToken cancellationToken);
}
