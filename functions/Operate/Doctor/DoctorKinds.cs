using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>The kinds that only the doctor reads, as plain JSON.</summary>
internal static class DoctorKinds
{
    public static readonly ResourceType<JsonObject> Namespaces = new("", "v1", "namespaces", "Namespace", DoctorJsonContext.Default.JsonObject, Namespaced: false);
    public static readonly ResourceType<JsonObject> Nodes = new("", "v1", "nodes", "Node", DoctorJsonContext.Default.JsonObject, Namespaced: false);
    public static readonly ResourceType<JsonObject> ConfigMaps = new("", "v1", "configmaps", "ConfigMap", DoctorJsonContext.Default.JsonObject);
    public static readonly ResourceType<JsonObject> Deployments = new("apps", "v1", "deployments", "Deployment", DoctorJsonContext.Default.JsonObject);
    public static readonly ResourceType<JsonObject> Triggers = new("eventing.knative.dev", "v1", "triggers", "Trigger", DoctorJsonContext.Default.JsonObject);

    // v1beta1 is served by every Istio release since 1.5, v1 only since 1.22.
    public static readonly ResourceType<JsonObject> PeerAuthentications = new("security.istio.io", "v1beta1", "peerauthentications", "PeerAuthentication", DoctorJsonContext.Default.JsonObject);
    public static readonly ResourceType<JsonObject> AuthorizationPolicies = new("security.istio.io", "v1beta1", "authorizationpolicies", "AuthorizationPolicy", DoctorJsonContext.Default.JsonObject);
    public static readonly ResourceType<JsonObject> VirtualServices = new("networking.istio.io", "v1beta1", "virtualservices", "VirtualService", DoctorJsonContext.Default.JsonObject);

    public static readonly ResourceType<AccessReview> AccessReviews =
        new("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", DoctorJsonContext.Default.AccessReview, Namespaced: false);
}

/// <summary>authorization.k8s.io/v1 SelfSubjectAccessReview.</summary>
internal sealed class AccessReview
{
    public string ApiVersion { get; set; } = "authorization.k8s.io/v1";
    public string Kind { get; set; } = "SelfSubjectAccessReview";
    public ObjectMeta Metadata { get; set; } = new();
    public AccessReviewSpec Spec { get; set; } = new();
    public AccessReviewStatus? Status { get; set; }
}

internal sealed class AccessReviewSpec
{
    public AccessReviewAttributes ResourceAttributes { get; set; } = new();
}

internal sealed class AccessReviewAttributes
{
    public string? Namespace { get; set; }
    public string? Verb { get; set; }
    public string? Group { get; set; }
    public string? Resource { get; set; }
    public string? Subresource { get; set; }
    public string? Name { get; set; }
}

internal sealed class AccessReviewStatus
{
    public bool Allowed { get; set; }
}

/// <summary>Body of /api/doctor.</summary>
internal sealed record DoctorReport(bool Healthy, int Errors, int Warnings, int Unknown, IReadOnlyList<Finding> Findings);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(JsonObject))]
[JsonSerializable(typeof(AccessReview))]
[JsonSerializable(typeof(DoctorReport))]
internal sealed partial class DoctorJsonContext : JsonSerializerContext;
