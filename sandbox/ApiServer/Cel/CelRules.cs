using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>The rules of a schema, as a tree like the schema itself (kubernetes.io, CustomResourceDefinitions, Validation rules).</summary>
internal sealed class CelRules
{
    private readonly string _type;
    private readonly List<CelRule> _rules = [];
    private readonly Dictionary<string, CelRules> _properties = new(StringComparer.Ordinal);
    private readonly CelRules? _items;
    private readonly CelRules? _values;

    /// <summary>For <c>x-kubernetes-list-type: map</c>: the fields by which an element of now is the same as one of before.</summary>
    private readonly string[] _keys;

    private CelRules(JsonObject schema, string at, bool root, string? uncorrelated, List<string> problems)
    {
        _type = (string?)schema["type"] ?? "";
        _keys = schema["x-kubernetes-list-type"] is { } kind && (string?)kind == "map" ? [.. (schema["x-kubernetes-list-map-keys"] as JsonArray ?? []).Select(k => (string)k!)] : [];
        if (schema["x-kubernetes-validations"] is JsonArray entries)
        {
            var self = CelType.Of(schema, root);
            for (var i = 0; i < entries.Count; i++)
            {
                if (CelRule.Compile(entries[i]!.AsObject(), schema, self, $"{at}.x-kubernetes-validations[{i}]", uncorrelated, problems) is { } rule)
                {
                    _rules.Add(rule);
                }
            }
        }

        foreach (var (name, inner) in schema["properties"] as JsonObject ?? [])
        {
            var rules = new CelRules(inner!.AsObject(), $"{at}.properties[{name}]", false, uncorrelated, problems);
            if (rules.Any)
            {
                _properties[name] = rules;
                // A default is held against the rules as it stands, without the defaults inside it.
                rules.Check(inner["default"], null, $"{at}.properties[{name}].default", problems);
            }
        }

        _items = schema["items"] is JsonObject items && new CelRules(items, $"{at}.items", false, uncorrelated ?? (_keys.Length == 0 ? at : null), problems) is { Any: true } of ? of : null;
        _values = schema["additionalProperties"] is JsonObject values && new CelRules(values, $"{at}.additionalProperties", false, uncorrelated, problems) is { Any: true } other ? other : null;
    }

    private bool Any => _rules.Count > 0 || _properties.Count > 0 || _items is not null || _values is not null;

    /// <summary>Compiles every rule of a version's schema; what cannot be compiled is told in <paramref name="problems"/>.</summary>
    /// <returns>Null when there is no rule.</returns>
    public static CelRules? Compile(JsonObject schema, string at, List<string> problems) => new CelRules(schema, at, true, null, problems) is { Any: true } rules ? rules : null;

    /// <summary>What a CRD's rules are wrong in: field, value and reason, as the API server words it.</summary>
    public static List<string> Problems(JsonObject crd)
    {
        var problems = new List<string>();
        var versions = (crd["spec"]?["versions"] as JsonArray ?? []).Select(v => v?["schema"]?["openAPIV3Schema"] as JsonObject).ToList();
        // A schema that all versions share stands at the top in the API server's own form of a CRD.
        var shared = versions.TrueForAll(v => JsonNode.DeepEquals(v, versions[0]));
        for (var i = 0; i < (shared ? Math.Min(1, versions.Count) : versions.Count); i++)
        {
            if (versions[i] is { } schema)
            {
                Compile(schema, shared ? "spec.validation.openAPIV3Schema" : $"spec.versions[{i}].schema.openAPIV3Schema", problems);
            }
        }

        return problems;
    }

    /// <summary>Says what an object breaks. Nothing is asked of a value that is null; its parent can.</summary>
    public void Check(JsonNode? value, JsonNode? old, string at, List<string> problems)
    {
        if (value is null)
        {
            return;
        }

        problems.AddRange(_rules.Select(r => r.Problem(value, old, at, _type)).OfType<string>());
        if (value is JsonObject obj)
        {
            foreach (var (key, inner) in obj)
            {
                (_properties.GetValueOrDefault(key) ?? _values)?.Check(inner, (old as JsonObject)?[key], _properties.ContainsKey(key) ? at.Length == 0 ? key : $"{at}.{key}" : $"{at}[{key}]", problems);
            }
        }
        else if (value is JsonArray list && _items is not null)
        {
            for (var i = 0; i < list.Count; i++)
            {
                _items.Check(list[i], Before(list[i], old as JsonArray), $"{at}[{i}]", problems);
            }
        }
    }

    private JsonNode? Before(JsonNode? item, JsonArray? old) => _keys.Length == 0 || item is null ? null
        : old?.FirstOrDefault(o => o is not null && _keys.All(k => JsonNode.DeepEquals(o[k], item[k])));
}
