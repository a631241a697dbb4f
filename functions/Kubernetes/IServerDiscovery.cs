namespace Prewarm.Functions.Kubernetes;

/// <summary>What an API server tells of itself to every authenticated caller (ClusterRole system:discovery).</summary>
internal interface IServerDiscovery
{
    /// <summary>Its version and its clock (GET /version).</summary>
    Task<ServerGreeting> GreetAsync(CancellationToken cancellationToken);

    /// <summary>Plural names of the kinds in a group's version, such as <c>data.fluid.io/v1alpha1</c>; null when the server does not have it.</summary>
    Task<IReadOnlyList<string>?> KindsAsync(string groupVersion, CancellationToken cancellationToken);
}

/// <param name="Version">gitVersion, such as <c>v1.32.0</c>.</param>
/// <param name="Date">The answer's Date header, whole seconds; null when there is none.</param>
/// <param name="Asked">When the request left, by our clock.</param>
/// <param name="Answered">When the answer was there, by our clock.</param>
internal sealed record ServerGreeting(string Version, DateTimeOffset? Date, DateTimeOffset Asked, DateTimeOffset Answered);
