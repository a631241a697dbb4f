using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Structural schemas of CRDs: pruning, defaults, validation; the rules in CEL are <see cref="Cel.CelRules"/>.</summary>
internal static class Schema
{
    public static void Prune(JsonObject schema, JsonNode? node, string path, List<string> unknown)
    {
        if (node is JsonArray list && schema["items"] is JsonObject items)
        {
            for (var i = 0; i < list.Count; i++)
            {
                Prune(items, list[i], $"{path}[{i}]", unknown);
            }
        }

        if (node is not JsonObject obj)
        {
            return;
        }

        var known = schema["properties"] as JsonObject;
        var other = schema["additionalProperties"] as JsonObject;
        var keep = Flag(schema, "x-kubernetes-preserve-unknown-fields") || Flag(schema, "additionalProperties") || Flag(schema, "x-kubernetes-embedded-resource");
        foreach (var (key, value) in obj.ToList())
        {
            var here = path.Length == 0 ? key : $"{path}.{key}";
            if (path.Length == 0 && key is "apiVersion" or "kind" or "metadata")
            {
                continue;
            }

            if ((known?[key] ?? other) is JsonObject inner)
            {
                Prune(inner, value, here, unknown);
            }
            else if (!keep)
            {
                obj.Remove(key);
                unknown.Add(here);
            }
        }
    }

    public static void Default(JsonObject schema, JsonNode? node)
    {
        if (node is JsonObject obj)
        {
            foreach (var (key, inner) in schema["properties"] as JsonObject ?? [])
            {
                if (obj[key] is null && inner!["default"] is { } value)
                {
                    obj[key] = value.DeepClone();
                }
                else if (obj[key] is null && !Flag(inner!.AsObject(), "nullable"))
                {
                    // As if it were not there (apiextensions-apiserver, PruneNonNullableNullsWithoutDefaults).
                    obj.Remove(key);
                }

                Default(inner!.AsObject(), obj[key]);
            }

            if (schema["additionalProperties"] is JsonObject other)
            {
                obj.ToList().ForEach(p => Default(other, p.Value));
            }
        }
        else if (node is JsonArray list && schema["items"] is JsonObject items)
        {
            list.ToList().ForEach(i => Default(items, i));
        }
    }

    public static void Validate(JsonObject schema, JsonNode? node, string path, List<string> problems)
    {
        var at = path.Length == 0 ? "<root>" : path;
        if (node is null)
        {
            if (!Flag(schema, "nullable"))
            {
                problems.Add($"{at}: Invalid value: \"null\": {at} in body must be of type {schema["type"]}: \"null\"");
            }

            return;
        }

        var kind = node.GetValueKind();
        var type = Flag(schema, "x-kubernetes-int-or-string") ? "int-or-string" : (string?)schema["type"];
        var fits = type switch
        {
            "object" => kind == JsonValueKind.Object,
            "array" => kind == JsonValueKind.Array,
            "string" => kind == JsonValueKind.String,
            "boolean" => kind is JsonValueKind.True or JsonValueKind.False,
            "integer" => kind == JsonValueKind.Number && Number(node) % 1 == 0,
            "number" => kind == JsonValueKind.Number,
            "int-or-string" => kind is JsonValueKind.Number or JsonValueKind.String,
            _ => true,
        };
        if (!fits)
        {
            problems.Add($"{at}: Invalid value: {(kind == JsonValueKind.String ? "\"string\"" : $"\"{kind.ToString().ToLowerInvariant()}\"")}: {at} in body must be of type {type}: {node.ToJsonString()}");
            return;
        }

        if (schema["enum"] is JsonArray values && !values.Any(v => JsonNode.DeepEquals(v, node)))
        {
            problems.Add($"{at}: Unsupported value: {node.ToJsonString()}: supported values: {string.Join(", ", values.Select(v => v!.ToJsonString()))}");
        }

        switch (node)
        {
            case JsonObject obj:
                foreach (var name in (schema["required"] as JsonArray ?? []).Select(r => (string)r!).Where(n => !obj.ContainsKey(n)))
                {
                    problems.Add($"{(path.Length == 0 ? name : $"{path}.{name}")}: Required value");
                }

                foreach (var (key, value) in obj.Where(p => path.Length > 0 || p.Key is not ("metadata" or "apiVersion" or "kind")))
                {
                    if ((schema["properties"]?[key] ?? schema["additionalProperties"]) is JsonObject inner)
                    {
                        Validate(inner, value, path.Length == 0 ? key : $"{path}.{key}", problems);
                    }
                }

                break;
            case JsonArray list:
                if (Limit(schema, "minItems") > list.Count || Limit(schema, "maxItems") < list.Count)
                {
                    problems.Add($"{at}: Invalid value: {list.Count}: {at} in body must have between {schema["minItems"] ?? 0} and {schema["maxItems"]} items");
                }

                for (var i = 0; i < list.Count && schema["items"] is JsonObject items; i++)
                {
                    Validate(items, list[i], $"{at}[{i}]", problems);
                }

                break;
            default:
                Scalar(schema, node, kind, at, problems);
                break;
        }
    }

    private static void Scalar(JsonObject schema, JsonNode node, JsonValueKind kind, string at, List<string> problems)
    {
        if (kind == JsonValueKind.Number)
        {
            var number = Number(node);
            if (number < Limit(schema, "minimum"))
            {
                problems.Add($"{at}: Invalid value: {node.ToJsonString()}: {at} in body should be greater than or equal to {schema["minimum"]}");
            }

            if (number > Limit(schema, "maximum"))
            {
                problems.Add($"{at}: Invalid value: {node.ToJsonString()}: {at} in body should be less than or equal to {schema["maximum"]}");
            }
        }
        else if (kind == JsonValueKind.String)
        {
            var text = (string)node!;
            if (text.Length < Limit(schema, "minLength"))
            {
                problems.Add($"{at}: Invalid value: \"{text}\": {at} in body should be at least {schema["minLength"]} chars long");
            }

            if (text.Length > Limit(schema, "maxLength"))
            {
                problems.Add($"{at}: Too long: may not be more than {schema["maxLength"]} bytes");
            }

            if ((string?)schema["pattern"] is { } pattern && !Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
            {
                problems.Add($"{at}: Invalid value: \"{text}\": {at} in body should match '{pattern}'");
            }
        }
    }

    private static bool Flag(JsonObject schema, string key) => schema[key] is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    private static double? Limit(JsonObject schema, string key) => schema[key] is { } value ? Number(value) : null;

    private static double Number(JsonNode node) => double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture);
}
