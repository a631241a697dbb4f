using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Whether an object already says everything that we want to say, so that writing it again would change nothing.</summary>
internal static class JsonSubset
{
    public static bool Covers<T>(T observed, T desired, JsonTypeInfo<T> json) =>
        Covers(JsonSerializer.SerializeToElement(observed, json), JsonSerializer.SerializeToElement(desired, json));

    public static bool Covers(JsonNode? observed, JsonNode? desired) => Covers(JsonElement.Parse(observed?.ToJsonString() ?? "null"), JsonElement.Parse(desired?.ToJsonString() ?? "null"));

    /// <param name="observed">Undefined (the default): it is not there.</param>
    public static bool Covers(JsonElement observed, JsonElement desired)
    {
        switch (desired.ValueKind)
        {
            case JsonValueKind.Null or JsonValueKind.Undefined:
                return true;
            case JsonValueKind.Object when observed.ValueKind == JsonValueKind.Object:
                foreach (var property in desired.EnumerateObject())
                {
                    if (!Covers(property.Name, Of(observed, property.Name), property.Value))
                    {
                        return false;
                    }
                }

                return true;
            case JsonValueKind.Array when observed.ValueKind == JsonValueKind.Array && observed.GetArrayLength() == desired.GetArrayLength():
                return observed.EnumerateArray().Zip(desired.EnumerateArray()).All(p => Covers(p.First, p.Second));
            case JsonValueKind.Object or JsonValueKind.Array:
                return false;
            default:
                return observed.ValueKind != JsonValueKind.Undefined && JsonElement.DeepEquals(observed, desired);
        }
    }

    private static bool Covers(string name, JsonElement observed, JsonElement desired) => (name, observed.ValueKind, desired.ValueKind) switch
    {
        // A map by uid (meta/v1): Fluid makes a Dataset the owner of its DataLoads, beside us.
        ("ownerReferences", JsonValueKind.Array, JsonValueKind.Array) =>
            desired.EnumerateArray().All(item => observed.EnumerateArray().Any(other => Of(other, "uid").ToString() == Of(item, "uid").ToString() && Covers(other, item))),
        // KServe's webhook writes quantities in its own words: 1 as "1", 0.5 as 500m.
        ("limits" or "requests", JsonValueKind.Object, JsonValueKind.Object) => desired.EnumerateObject().All(p => SameQuantity(Of(observed, p.Name), p.Value)),
        _ => Covers(observed, desired),
    };

    private static bool SameQuantity(JsonElement observed, JsonElement desired) =>
        Covers(observed, desired) || (Quantity.Parse(observed.ToString()) is { } value && value == Quantity.Parse(desired.ToString()));

    private static JsonElement Of(JsonElement observed, string name) => observed.ValueKind == JsonValueKind.Object && observed.TryGetProperty(name, out var value) ? value : default;
}
