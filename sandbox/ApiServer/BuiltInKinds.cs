using System.Globalization;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>The kinds that are there without a CRD, with the columns that kubectl's users know.</summary>
internal static class BuiltInKinds
{
    private static readonly Column s_age = new("Age", "date", ".metadata.creationTimestamp");

    public static readonly IReadOnlyList<Kind> All =
    [
        new("", "v1", "namespaces", "Namespace", false, true, ["ns"], Columns: [new("Status", "string", ".status.phase"), s_age]),
        new("", "v1", "nodes", "Node", false, true, ["no"], Columns: [new("Status", "string", "", Value: NodeStatus), new("Version", "string", ".status.nodeInfo.kubeletVersion"), s_age]),
        new("", "v1", "pods", "Pod", true, true, ["po"], ["all"], Columns:
        [
            new("Ready", "string", "", Value: PodReady), new("Status", "string", "", Value: PodStatus), new("Restarts", "string", "", Value: PodRestarts), s_age,
            new("IP", "string", ".status.podIP", 1), new("Node", "string", ".spec.nodeName", 1),
        ]),
        new("", "v1", "secrets", "Secret", true, Columns: [new("Type", "string", ".type"), new("Data", "string", "", Value: o => Count(o["data"])), s_age]),
        new("", "v1", "configmaps", "ConfigMap", true, false, ["cm"], Columns: [new("Data", "string", "", Value: o => Count(o["data"])), s_age]),
        new("", "v1", "serviceaccounts", "ServiceAccount", true, false, ["sa"], Columns: [new("Secrets", "string", "", Value: o => Count(o["secrets"])), s_age]),
        new("", "v1", "events", "Event", true, false, ["ev"], Columns:
        [
            new("Last Seen", "date", ".lastTimestamp"), new("Type", "string", ".type"), new("Reason", "string", ".reason"),
            new("Object", "string", "", Value: o => $"{((string?)o["involvedObject"]?["kind"])?.ToLowerInvariant()}/{(string?)o["involvedObject"]?["name"]}"), new("Message", "string", ".message"),
        ]),
        new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, true, ["pvc"], Columns:
        [
            new("Status", "string", ".status.phase"), new("Volume", "string", ".spec.volumeName"), new("Capacity", "string", ".status.capacity.storage"),
            new("Access Modes", "string", "", Value: Modes), new("StorageClass", "string", ".spec.storageClassName"), s_age,
        ]),
        new("", "v1", "persistentvolumes", "PersistentVolume", false, true, ["pv"], Columns:
        [
            new("Capacity", "string", ".spec.capacity.storage"), new("Access Modes", "string", "", Value: Modes), new("Reclaim Policy", "string", ".spec.persistentVolumeReclaimPolicy"),
            new("Status", "string", ".status.phase"), new("Claim", "string", "", Value: o => o["spec"]?["claimRef"] is { } c ? $"{(string?)c["namespace"]}/{(string?)c["name"]}" : ""),
            new("StorageClass", "string", ".spec.storageClassName"), s_age,
        ]),
        new("", "v1", "services", "Service", true, true, ["svc"], ["all"], Columns:
        [
            new("Type", "string", "", Value: o => (string?)o["spec"]?["type"] ?? "ClusterIP"), new("Cluster-IP", "string", ".spec.clusterIP"), new("External-Name", "string", ".spec.externalName"),
            new("Port(s)", "string", "", Value: o => string.Join(',', (o["spec"]?["ports"] as JsonArray ?? []).Select(p => $"{p?["port"]}/{(string?)p?["protocol"] ?? "TCP"}"))), s_age,
        ]),
        new("", "v1", "endpoints", "Endpoints", true, false, ["ep"]) { ListName = "EndpointsList" },
        new("apps", "v1", "deployments", "Deployment", true, true, ["deploy"], ["all"], Columns:
        [
            new("Ready", "string", "", Value: o => $"{o["status"]?["readyReplicas"]?.ToString() ?? "0"}/{o["spec"]?["replicas"]?.ToString() ?? "1"}"),
            new("Up-to-date", "integer", ".status.updatedReplicas"), new("Available", "integer", ".status.availableReplicas"), s_age,
        ]),
        new("apps", "v1", "replicasets", "ReplicaSet", true, true, ["rs"], ["all"]),
        new("apps", "v1", "statefulsets", "StatefulSet", true, true, ["sts"], ["all"]),
        new("apps", "v1", "daemonsets", "DaemonSet", true, true, ["ds"], ["all"]),
        new("batch", "v1", "jobs", "Job", true, true, null, ["all"]),
        new("batch", "v1", "cronjobs", "CronJob", true, true, ["cj"], ["all"]),
        new("storage.k8s.io", "v1", "storageclasses", "StorageClass", false, false, ["sc"]),
        new("coordination.k8s.io", "v1", "leases", "Lease", true, Columns: [new("Holder", "string", ".spec.holderIdentity"), s_age]),
        new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false, true, ["crd", "crds"], Columns: [new("Created At", "string", ".metadata.creationTimestamp")]),
        new("rbac.authorization.k8s.io", "v1", "roles", "Role", true, Columns: [new("Created At", "string", ".metadata.creationTimestamp")]),
        new("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true, Columns: [new("Role", "string", "", Value: RoleRef), s_age]),
        new("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false, Columns: [new("Created At", "string", ".metadata.creationTimestamp")]),
        new("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false, Columns: [new("Role", "string", "", Value: RoleRef), s_age]),
    ];

    private static JsonNode? Count(JsonNode? node) => node switch { JsonObject o => o.Count, JsonArray a => a.Count, _ => 0 };

    private static JsonNode? Modes(JsonObject obj) => string.Join(',', (obj["spec"]?["accessModes"] as JsonArray ?? []).Select(m => (string?)m switch
    {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        var other => other,
    }));

    private static JsonNode? RoleRef(JsonObject obj) => $"{(string?)obj["roleRef"]?["kind"]}/{(string?)obj["roleRef"]?["name"]}";

    private static JsonNode? NodeStatus(JsonObject node) =>
        (node["status"]?["conditions"] as JsonArray ?? []).Any(c => (string?)c?["type"] == "Ready" && (string?)c["status"] == "True") ? "Ready" : "NotReady";

    private static IEnumerable<JsonNode> Containers(JsonObject pod) => (pod["status"]?["containerStatuses"] as JsonArray ?? []).OfType<JsonNode>();

    private static JsonNode? PodReady(JsonObject pod) =>
        string.Create(CultureInfo.InvariantCulture, $"{Containers(pod).Count(c => (bool?)c["ready"] == true)}/{(pod["spec"]?["containers"] as JsonArray)?.Count ?? 0}");

    private static JsonNode? PodRestarts(JsonObject pod) => Containers(pod).Sum(c => (int?)c["restartCount"] ?? 0).ToString(CultureInfo.InvariantCulture);

    private static JsonNode? PodStatus(JsonObject pod) => pod["metadata"]?["deletionTimestamp"] is not null ? "Terminating"
        : Containers(pod).Select(c => (string?)c["state"]?["waiting"]?["reason"] ?? (string?)c["state"]?["terminated"]?["reason"]).FirstOrDefault(r => r is { Length: > 0 })
            ?? (string?)pod["status"]?["phase"] ?? "Pending";
}
