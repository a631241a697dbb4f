using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Discovery lists, and OpenAPI v3 documents with just what kubectl reads of them.</summary>
internal static class Discovery
{
    public static JsonObject Version() => new() { ["major"] = "1", ["minor"] = "32", ["gitVersion"] = "v1.32.0+prewarm-sandbox", ["platform"] = "any" };

    /// <summary>The document of a path; null when it is not one.</summary>
    public static JsonObject? Answer(string[] path, IReadOnlyList<Kind> kinds) => path switch
    {
        ["api"] => new() { ["kind"] = "APIVersions", ["versions"] = new JsonArray("v1") },
        ["apis"] => new()
        {
            ["kind"] = "APIGroupList",
            ["apiVersion"] = "v1",
            ["groups"] = new JsonArray([.. Groups(kinds).Select(g => Group(g.Key, g))]),
        },
        ["apis", var group] when Groups(kinds).FirstOrDefault(g => g.Key == group) is { } found => Named(Group(group, found)),
        ["api", "v1"] => Resources("", "v1", kinds),
        ["apis", var group, var version] when Groups(kinds).Any(g => g.Key == group && g.Contains(version)) => Resources(group, version, kinds),
        ["openapi", "v3"] => Index(kinds),
        ["openapi", "v3", "api", "v1"] => OpenApi("", "v1", kinds),
        ["openapi", "v3", "apis", var group, var version] => OpenApi(group, version, kinds),
        _ => null,
    };

    private static IEnumerable<IGrouping<string, string>> Groups(IReadOnlyList<Kind> kinds) => kinds.Where(k => k.Group.Length > 0).Select(k => (k.Group, k.Version))
        .Append(("authorization.k8s.io", "v1")).Distinct().GroupBy(g => g.Item1, g => g.Item2);

    private static JsonObject Group(string name, IEnumerable<string> versions)
    {
        var list = versions.Select(v => new JsonObject { ["groupVersion"] = $"{name}/{v}", ["version"] = v }).ToArray<JsonNode>();
        return new() { ["name"] = name, ["versions"] = new JsonArray(list), ["preferredVersion"] = list[0].DeepClone() };
    }

    private static JsonObject Named(JsonObject group)
    {
        group["kind"] = "APIGroup";
        group["apiVersion"] = "v1";
        return group;
    }

    private static JsonObject Resources(string group, string version, IReadOnlyList<Kind> kinds)
    {
        var list = new JsonArray();
        foreach (var kind in kinds.Where(k => k.Group == group && k.Version == version))
        {
            var item = new JsonObject
            {
                ["name"] = kind.Plural,
                ["singularName"] = kind.Singular,
                ["namespaced"] = kind.Namespaced,
                ["kind"] = kind.Name,
                ["verbs"] = Texts(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]),
            };
            if (kind.ShortNames is { Count: > 0 } names)
            {
                item["shortNames"] = Texts(names);
            }

            if (kind.Categories is { Count: > 0 } categories)
            {
                item["categories"] = Texts(categories);
            }

            list.Add(item);
            if (kind.HasStatus)
            {
                list.Add(new JsonObject { ["name"] = kind.Plural + "/status", ["singularName"] = "", ["namespaced"] = kind.Namespaced, ["kind"] = kind.Name, ["verbs"] = Texts(["get", "patch", "update"]) });
            }
        }

        if (group.Length == 0)
        {
            list.Add(new JsonObject { ["name"] = "serviceaccounts/token", ["singularName"] = "", ["namespaced"] = true, ["group"] = "authentication.k8s.io", ["version"] = "v1", ["kind"] = "TokenRequest", ["verbs"] = Texts(["create"]) });
        }

        if (group == "authorization.k8s.io")
        {
            list.Add(new JsonObject { ["name"] = "selfsubjectaccessreviews", ["singularName"] = "selfsubjectaccessreview", ["namespaced"] = false, ["kind"] = "SelfSubjectAccessReview", ["verbs"] = Texts(["create"]) });
        }

        return new() { ["kind"] = "APIResourceList", ["apiVersion"] = "v1", ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}", ["resources"] = list };
    }

    private static JsonObject Index(IReadOnlyList<Kind> kinds)
    {
        var paths = new JsonObject();
        foreach (var root in kinds.Select(Root).Distinct())
        {
            paths[root] = new JsonObject { ["serverRelativeURL"] = "/openapi/v3/" + root };
        }

        return new() { ["paths"] = paths };
    }

    private static string Root(Kind kind) => kind.Group.Length == 0 ? $"api/{kind.Version}" : $"apis/{kind.Group}/{kind.Version}";

    private static JsonObject OpenApi(string group, string version, IReadOnlyList<Kind> kinds)
    {
        var paths = new JsonObject();
        var schemas = new JsonObject();
        foreach (var kind in kinds.Where(k => k.Group == group && k.Version == version))
        {
            JsonObject Named() => new() { ["group"] = group, ["version"] = version, ["kind"] = kind.Name };
            var schema = kind.Schema?.DeepClone().AsObject() ?? new JsonObject { ["type"] = "object" };
            schema["x-kubernetes-group-version-kind"] = new JsonArray(Named());
            schemas[$"{(group.Length == 0 ? "core" : group)}.{version}.{kind.Name}"] = schema;
            paths[$"/{Root(kind)}/{(kind.Namespaced ? "namespaces/{namespace}/" : "")}{kind.Plural}/{{name}}"] = new JsonObject
            {
                ["patch"] = new JsonObject
                {
                    ["operationId"] = $"patch{kind.Name}",
                    ["parameters"] = new JsonArray([.. ((string[])["dryRun", "fieldManager", "fieldValidation", "force"]).Select(p =>
                        new JsonObject { ["name"] = p, ["in"] = "query", ["schema"] = new JsonObject { ["type"] = p == "force" ? "boolean" : "string", ["uniqueItems"] = true } })]),
                    ["responses"] = new JsonObject { ["200"] = new JsonObject { ["description"] = "OK" } },
                    ["x-kubernetes-action"] = "patch",
                    ["x-kubernetes-group-version-kind"] = Named(),
                },
            };
        }

        return new()
        {
            ["openapi"] = "3.0.0",
            ["info"] = new JsonObject { ["title"] = "Kubernetes", ["version"] = "v1.32.0" },
            ["paths"] = paths,
            ["components"] = new JsonObject { ["schemas"] = schemas },
        };
    }

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => JsonValue.Create(t))]);
}
