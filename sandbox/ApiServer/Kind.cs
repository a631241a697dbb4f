using System.Text.Json.Nodes;
using Prewarm.Sandbox.ApiServer.Cel;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>A kind the server holds.</summary>
/// <param name="Name">Kind as it stands in manifests.</param>
/// <param name="Schema">Structural schema of a CRD's version; null for built-in kinds, which are not validated.</param>
internal sealed record Kind(string Group, string Version, string Plural, string Name, bool Namespaced, bool HasStatus = false,
    IReadOnlyList<string>? ShortNames = null, IReadOnlyList<string>? Categories = null, JsonObject? Schema = null, IReadOnlyList<Column>? Columns = null)
{
    public bool Custom { get; init; }

    /// <summary>The schema's <c>x-kubernetes-validations</c>; null when it has none.</summary>
    public CelRules? Rules { get; } = Schema is null ? null : CelRules.Compile(Schema, "", []);
    public string Singular { get; init; } = Name.ToLowerInvariant();
    public string ListName { get; init; } = Name + "List";
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>Plural with group, as messages and CRD names have it.</summary>
    public string Resource => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    /// <summary>A PUT without resourceVersion is refused, as for custom resources and CRDs on a real server.</summary>
    public bool NeedsVersion => Custom || Group is "apiextensions.k8s.io" or "coordination.k8s.io";

    public bool HasGeneration => Custom || Group is "apiextensions.k8s.io" or "apps" or "batch";

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
                version["additionalPrinterColumns"]?.AsArray().Select(c => new Column((string)c!["name"]!, (string?)c["type"] ?? "string", (string)c["jsonPath"]!, c["priority"] is { } priority ? int.Parse(priority.ToJsonString()) : 0)).ToList())
            {
                Custom = true,
                Singular = (string?)names["singular"] ?? kind.ToLowerInvariant(),
                ListName = (string?)names["listKind"] ?? kind + "List",
            };
        }
    }

    private static List<string> Texts(JsonNode? list) => list is JsonArray array ? [.. array.Select(t => (string)t!)] : [];
}

/// <summary>A printer column: a JSONPath or, for built-in kinds, a function.</summary>
internal sealed record Column(string Name, string Type, string Path, int Priority = 0, Func<JsonObject, JsonNode?>? Value = null);
