using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer.Cel;

/// <summary>What a schema says about a value, as Kubernetes declares it to CEL (apiserver/pkg/cel/common, SchemaDeclType).</summary>
internal abstract record CelType
{
    public static readonly CelType Bool = new Simple("bool");
    public static readonly CelType Int = new Simple("int");
    public static readonly CelType Double = new Simple("double");
    public static readonly CelType String = new Simple("string");
    public static readonly CelType Null = new Simple("null_type");

    /// <summary>Known only when it is there: int-or-string, and the elements of an empty list.</summary>
    public static readonly CelType Dyn = new Simple("dyn");

    public sealed record Simple(string Name) : CelType
    {
        public override string ToString() => Name;
    }

    public sealed record List(CelType Element) : CelType
    {
        public override string ToString() => $"list({Element})";
    }

    public sealed record Map(CelType Value) : CelType
    {
        public override string ToString() => $"map(string, {Value})";
    }

    /// <summary>Only fields that the schema names can be reached.</summary>
    public sealed record Object(IReadOnlyDictionary<string, CelType> Fields) : CelType
    {
        public bool Equals(Object? other) => ReferenceEquals(this, other);
        public override int GetHashCode() => Fields.Count;
        public override string ToString() => "object";
    }

    public static CelType Of(JsonObject schema, bool root = false)
    {
        if (Flag(schema, "x-kubernetes-int-or-string") || Flag(schema, "nullable"))
        {
            return Dyn;
        }

        switch ((string?)schema["type"])
        {
            case "object" when schema["additionalProperties"] is JsonObject values:
                return new Map(Of(values));
            case "object":
                var fields = (schema["properties"] as JsonObject ?? []).ToDictionary(p => p.Key, p => Of(p.Value!.AsObject()), StringComparer.Ordinal);
                if (root || Flag(schema, "x-kubernetes-embedded-resource"))
                {
                    fields["apiVersion"] = fields["kind"] = String;
                    fields["metadata"] = new Object(new Dictionary<string, CelType>(StringComparer.Ordinal) { ["name"] = String, ["generateName"] = String });
                }

                return new Object(fields);
            case "array":
                return new List(schema["items"] is JsonObject items ? Of(items) : Dyn);
            case "string":
                // Times and bytes are types of their own, which no rule here uses.
                return (string?)schema["format"] is "date-time" or "date" or "duration" or "byte" ? new Simple((string)schema["format"]!) : String;
            case "boolean":
                return Bool;
            case "integer":
                return Int;
            case "number":
                return Double;
            default:
                return Dyn;
        }
    }

    private static bool Flag(JsonObject schema, string key) => schema[key] is JsonValue value && value.TryGetValue<bool>(out var set) && set;
}
