using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>Where a destination points; without an address the reason and message of the condition that says so.</summary>
internal sealed record Resolved(Uri? Address, string? Reason = null, string? Message = null);

/// <summary>
/// Finds the address of <c>{ref, uri}</c>: a Broker's own, a Service's by <paramref name="service"/>, an absolute URI as it stands,
/// a relative one on top of the reference (knative.dev/pkg <c>resolver/addressable_resolver.go</c>).
/// </summary>
/// <param name="service">Address of the Service or Knative Service of a namespace and name; null while there is none.</param>
internal sealed class Destinations(IKubeApi api, Func<string, string, Uri?> service)
{
    public async Task<Resolved> ResolveAsync(JsonNode? destination, string ns, CancellationToken cancellationToken)
    {
        var uri = destination.Text("uri");
        if (destination.At("ref") is not JsonObject reference)
        {
            return Uri.TryCreate(uri, UriKind.Absolute, out var absolute) && absolute.Scheme is "http" or "https"
                ? new(absolute)
                : new(null, "NotFound", uri is null ? "destination missing Ref and URI, expected at least one" : $"URI is not absolute (both scheme and host should be non-empty): \"{uri}\"");
        }

        var (kind, name) = (reference.Text("kind") ?? "", reference.Text("name") ?? "");
        var place = reference.Text("namespace") ?? ns;
        var address = kind switch
        {
            "Broker" when await api.GetAsync(EventingKinds.Brokers, place, name, cancellationToken) is { } broker => broker.Text("status", "address", "url"),
            "Service" => service(place, name)?.ToString(),
            _ => null,
        };
        if (address is null)
        {
            return new(null, "NotFound", $"address not set for {kind} {place}/{name}");
        }

        var found = new Uri(address);
        if (uri is null)
        {
            return new(found);
        }

        return Uri.TryCreate(uri, UriKind.Absolute, out var other) && other.Scheme is "http" or "https"
            ? new(null, "NotFound", "absolute URI is not allowed when Ref or [apiVersion, kind, name] exists")
            : new(new Uri(found, uri));
    }
}
