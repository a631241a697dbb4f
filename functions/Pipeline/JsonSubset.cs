using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Whether an object already says everything that we want to say, so that writing it again would change nothing.</summary>
internal static class JsonSubset
{
    public static bool Covers<T>(T observed, T desired, JsonTypeInfo<T> json) =>
        Covers(JsonSerializer.SerializeToNode(observed, json), JsonSerializer.SerializeToNode(desired, json));

    public static bool Covers(JsonNode? observed, JsonNode? desired) => (observed, desired) switch
    {
        (_, null) => true,
        (JsonObject o, JsonObject d) => d.All(p => Covers(p.Key, o[p.Key], p.Value)),
        (JsonArray o, JsonArray d) => o.Count == d.Count && o.Zip(d).All(p => Covers(p.First, p.Second)),
        (JsonValue o, JsonValue d) => JsonNode.DeepEquals(o, d),
        _ => false,
    };

    private static bool Covers(string name, JsonNode? observed, JsonNode? desired) => (name, observed, desired) switch
    {
        // A map by uid (meta/v1): Fluid makes a Dataset the owner of its DataLoads, beside us.
        ("ownerReferences", JsonArray o, JsonArray d) => d.All(item => o.Any(other => (string?)other?["uid"] == (string?)item?["uid"] && Covers(other, item))),
        // KServe's webhook writes quantities in its own words: 1 as "1", 0.5 as 500m.
        ("limits" or "requests", JsonObject o, JsonObject d) => d.All(p => SameQuantity(o[p.Key], p.Value)),
        _ => Covers(observed, desired),
    };

    private static bool SameQuantity(JsonNode? observed, JsonNode? desired) =>
        Covers(observed, desired) || (Quantity.Parse(observed?.ToString()) is { } value && value == Quantity.Parse(desired?.ToString()));
}
