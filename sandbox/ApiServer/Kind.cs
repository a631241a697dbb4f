using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>A kind the server holds.</summary>
/// <param name="Name">Kind as it stands in manifests.</param>
/// <param name="Schema">Structural schema of a CRD's version; null for built-in kinds, which are not validated.</param>
internal sealed record Kind(string Group, string Version, string Plural, string Name, bool Namespaced, bool HasStatus = false,
    IReadOnlyList<string>? ShortNames = null, IReadOnlyList<string>? Categories = null, JsonObject? Schema = null, IReadOnlyList<Column>? Columns = null)
{
    public bool Custom { get; init; }
    public string Singular { get; init; } = Name.ToLowerInvariant();
    public string ListName { get; init; } = Name + "List";
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>Plural with group, as messages and CRD names have it.</summary>
    public string Resource => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    public static readonly IReadOnlyList<Kind> BuiltIn =
    [
        new("", "v1", "namespaces", "Namespace", false, true, ["ns"]),
        new("", "v1", "nodes", "Node", false, true, ["no"]),
        new("", "v1", "pods", "Pod", true, true, ["po"], ["all"]),
        new("", "v1", "secrets", "Secret", true),
        new("", "v1", "configmaps", "ConfigMap", true, false, ["cm"]),
        new("", "v1", "serviceaccounts", "ServiceAccount", true, false, ["sa"]),
        new("", "v1", "events", "Event", true, false, ["ev"]),
        new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, true, ["pvc"]),
        new("", "v1", "persistentvolumes", "PersistentVolume", false, true, ["pv"]),
        new("", "v1", "services", "Service", true, true, ["svc"], ["all"]),
        new("coordination.k8s.io", "v1", "leases", "Lease", true),
        new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false, true, ["crd", "crds"]),
        new("rbac.authorization.k8s.io", "v1", "roles", "Role", true),
        new("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true),
        new("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false),
        new("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false),
    ];

    /// <summary>Reads every served version of a CustomResourceDefinition.</summary>
    public static IEnumerable<Kind> FromCrd(JsonObject crd)
    {
        var spec = crd["spec"]!.AsObject();
        var names = spec["names"]!.AsObject();
        foreach (var version in spec["versions"]!.AsArray().Select(v => v!.AsObject()).Where(v => v["served"]?.GetValue<bool>() != false))
        {
            var kind = (string)names["kind"]!;
            yield return new((string)spec["group"]!, (string)version["name"]!, (string)names["plural"]!, kind, (string?)spec["scope"] != "Cluster",
                version["subresources"]?["status"] is not null, Texts(names["shortNames"]), Texts(names["categories"]),
                version["schema"]?["openAPIV3Schema"]?.DeepClone().AsObject(),
                version["additionalPrinterColumns"]?.AsArray().Select(c => new Column((string)c!["name"]!, (string?)c["type"] ?? "string", (string)c["jsonPath"]!, c["priority"]?.GetValue<int>() ?? 0)).ToList())
            {
                Custom = true,
                Singular = (string?)names["singular"] ?? kind.ToLowerInvariant(),
                ListName = (string?)names["listKind"] ?? kind + "List",
            };
        }
    }

    private static List<string> Texts(JsonNode? list) => list is JsonArray array ? [.. array.Select(t => (string)t!)] : [];
}

/// <summary>An additional printer column.</summary>
internal sealed record Column(string Name, string Type, string Path, int Priority);
