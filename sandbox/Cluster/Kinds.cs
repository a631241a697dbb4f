using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ClusterJson : JsonSerializerContext;

/// <summary>The kinds that the miniature controllers read and write.</summary>
internal static class Kinds
{
    public static readonly ResourceType<JsonObject> CachedModels = Of("prewarm.dev", "v1alpha1", "cachedmodels", "CachedModel");
    public static readonly ResourceType<JsonObject> Datasets = Of("data.fluid.io", "v1alpha1", "datasets", "Dataset");
    public static readonly ResourceType<JsonObject> JindoRuntimes = Of("data.fluid.io", "v1alpha1", "jindoruntimes", "JindoRuntime");
    public static readonly ResourceType<JsonObject> DataLoads = Of("data.fluid.io", "v1alpha1", "dataloads", "DataLoad");
    public static readonly ResourceType<JsonObject> InferenceServices = Of("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService");
    public static readonly ResourceType<JsonObject> Services = Of("serving.knative.dev", "v1", "services", "Service");
    public static readonly ResourceType<JsonObject> Revisions = Of("serving.knative.dev", "v1", "revisions", "Revision");
    public static readonly ResourceType<JsonObject> PodAutoscalers = Of("autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers", "PodAutoscaler");
    public static readonly ResourceType<JsonObject> Pods = Of("", "v1", "pods", "Pod");
    public static readonly ResourceType<JsonObject> Jobs = Of("batch", "v1", "jobs", "Job");
    public static readonly ResourceType<JsonObject> Secrets = Of("", "v1", "secrets", "Secret");
    public static readonly ResourceType<JsonObject> Claims = Of("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
    public static readonly ResourceType<JsonObject> Volumes = Of("", "v1", "persistentvolumes", "PersistentVolume", false);
    public static readonly ResourceType<JsonObject> Nodes = Of("", "v1", "nodes", "Node", false);

    public static readonly ResourceType<JsonObject> Namespaces = Of("", "v1", "namespaces", "Namespace", false);
    public static readonly ResourceType<JsonObject> ServiceAccounts = Of("", "v1", "serviceaccounts", "ServiceAccount");
    public static readonly ResourceType<JsonObject> Crds = Of("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false);
    public static readonly ResourceType<JsonObject> ClusterRoles = Of("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false);
    public static readonly ResourceType<JsonObject> ClusterRoleBindings = Of("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false);

    private static ResourceType<JsonObject> Of(string group, string version, string plural, string kind, bool namespaced = true) =>
        new(group, version, plural, kind, ClusterJson.Default.JsonObject, namespaced);
}
