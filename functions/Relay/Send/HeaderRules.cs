using System.Collections.Frozen;
using Microsoft.Extensions.Primitives;

namespace Prewarm.Functions.Relay;

/// <summary>Takes from a request what a client has no business to tell the mesh.</summary>
internal static class HeaderRules
{
    /// <summary>
    /// Marks of the Functions host and of our own; headers by which Knative's data plane picks a revision or takes a request for a probe (knative/serving pkg/activator/activator.go,
    /// knative/networking pkg/http/header); KServe's (facts/kserve.md §5); Envoy's, with which a client could have the mesh repeat a prediction.
    /// </summary>
    private static readonly string[] s_taken =
    [
        "x-ms-invocation-id", "X-Azure-Functions-InvocationId", ReadinessProbe.Mark, Heartbeat.Header,
        "Knative-Serving-Namespace", "Knative-Serving-Revision", "K-Network-Probe", "K-Network-Hash", "K-Kubelet-Probe", "K-Proxy-Request", "K-Passthrough-Lb", "K-Original-Host",
        "Knative-Serving-Tag", "Knative-Serving-Default-Route", "Knative-Direct-Lb", "KServe-Isvc-Name", "KServe-Isvc-Namespace",
        "X-Envoy-Retry-On", "X-Envoy-Retry-Grpc-On", "X-Envoy-Max-Retries", "X-Envoy-Retriable-Status-Codes", "X-Envoy-Retriable-Header-Names", "X-Envoy-Hedge-On-Per-Try-Timeout",
        "X-Envoy-Upstream-Rq-Timeout-Ms", "X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms", "X-Envoy-Upstream-Alt-Stat-Name", "X-Envoy-Original-Path", "X-Envoy-Original-Host",
    ];

    private static readonly FrozenSet<string> s_names = s_taken.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>Takes them from what is to be sent, where the forwarder has copied the request's headers. Allocates nothing when there is nothing to take.</summary>
    /// <param name="connection">What the request's Connection header says.</param>
    public static void Clean(HttpRequestMessage request, StringValues connection)
    {
        var headers = request.Headers;
        // A header that Connection names belongs to this hop (RFC 9110 section 7.6.1); the forwarder drops the standing list.
        if (connection.Count > 0)
        {
            foreach (var value in connection)
            {
                foreach (var name in (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                {
                    // Length and encoding of the body are not the client's to hide.
                    if (!name.StartsWith("content-", StringComparison.OrdinalIgnoreCase) && !string.Equals(name, "host", StringComparison.OrdinalIgnoreCase)
                        && !string.Equals(name, "transfer-encoding", StringComparison.OrdinalIgnoreCase) && !string.Equals(name, "upgrade", StringComparison.OrdinalIgnoreCase))
                    {
                        Take(request, name);
                    }
                }
            }
        }

        // One look at what is there costs less than a search for each that might be.
        var taken = 0;
        foreach (var header in headers.NonValidated)
        {
            taken += header.Key[0] is 'x' or 'X' or 'k' or 'K' && s_names.Contains(header.Key) ? 1 : 0;
        }

        for (var i = 0; taken > 0 && i < s_taken.Length; i++)
        {
            taken -= headers.Remove(s_taken[i]) ? 1 : 0;
        }
    }

    /// <summary>Looks first, because to remove a name that no header can have is an error.</summary>
    private static void Take(HttpRequestMessage request, string name)
    {
        if (request.Headers.NonValidated.Contains(name))
        {
            request.Headers.Remove(name);
        }

        if (request.Content?.Headers is { } described && described.NonValidated.Contains(name))
        {
            described.Remove(name);
        }
    }
}
