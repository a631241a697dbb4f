using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Prewarm.Functions.Pipeline;

/// <summary>Whether an object already says everything that we want to say, so that writing it again would change nothing.</summary>
internal static class JsonSubset
{
    public static bool Covers<T>(T observed, T desired, JsonTypeInfo<T> json) =>
        Covers(JsonSerializer.SerializeToNode(observed, json), JsonSerializer.SerializeToNode(desired, json));

    public static bool Covers(JsonNode? observed, JsonNode? desired) => (observed, desired) switch
    {
        (_, null) => true,
        (JsonObject o, JsonObject d) => d.All(p => Covers(o[p.Key], p.Value)),
        (JsonArray o, JsonArray d) => o.Count == d.Count && o.Zip(d).All(p => Covers(p.First, p.Second)),
        (JsonValue o, JsonValue d) => JsonNode.DeepEquals(o, d),
        _ => false,
    };
}
