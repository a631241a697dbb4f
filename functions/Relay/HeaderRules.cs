using Microsoft.AspNetCore.Http;

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

    /// <summary>Changes the request's own headers. Allocates nothing when there is nothing to take.</summary>
    public static void Apply(IHeaderDictionary headers)
    {
        // A header that Connection names belongs to this hop (RFC 9110 section 7.6.1); the forwarder drops the standing list.
        var connection = headers.Connection;
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
                        headers.Remove(name);
                    }
                }
            }
        }

        foreach (var name in s_taken)
        {
            headers.Remove(name);
        }
    }
}
