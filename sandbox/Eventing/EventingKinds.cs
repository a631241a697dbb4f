using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>The kinds of Knative Eventing, and those its controllers ask for.</summary>
internal static class EventingKinds
{
    public static readonly ResourceType<JsonObject> Brokers = Of("eventing.knative.dev", "v1", "brokers", "Broker");
    public static readonly ResourceType<JsonObject> Triggers = Of("eventing.knative.dev", "v1", "triggers", "Trigger");
    public static readonly ResourceType<JsonObject> ApiServerSources = Of("sources.knative.dev", "v1", "apiserversources", "ApiServerSource");
    public static readonly ResourceType<JsonObject> PingSources = Of("sources.knative.dev", "v1", "pingsources", "PingSource");
    public static readonly ResourceType<JsonObject> AccessReviews = Of("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", false);

    private static readonly HashSet<string> s_clusterScoped =
    [
        "Namespace", "Node", "PersistentVolume", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "StorageClass",
    ];

    /// <summary>
    /// The resource behind a kind, its plural guessed as the real source does
    /// (apimachinery <c>meta.UnsafeGuessKindToResource</c>, called by knative/eventing <c>pkg/reconciler/apiserversource/resources/receive_adapter.go</c>).
    /// </summary>
    public static ResourceType<JsonObject> Guess(string apiVersion, string kind)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        var (group, version) = slash < 0 ? ("", apiVersion) : (apiVersion[..slash], apiVersion[(slash + 1)..]);
        var singular = kind.ToLowerInvariant();
        var plural = singular switch
        {
            "endpoints" => singular,
            _ when singular.EndsWith('s') => singular + "es",
            _ when singular.EndsWith('y') => singular[..^1] + "ies",
            _ => singular + "s",
        };
        return Of(group, version, plural, kind, !s_clusterScoped.Contains(kind));
    }

    private static ResourceType<JsonObject> Of(string group, string version, string plural, string kind, bool namespaced = true) =>
        new(group, version, plural, kind, ClusterJson.Default.JsonObject, namespaced);
}
