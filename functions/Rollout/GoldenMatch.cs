using System.Text.Json.Nodes;

namespace Prewarm.Functions.Rollout;

/// <summary>Whether an answer contains the expected JSON: objects by subset, arrays by position, values exactly.</summary>
internal static class GoldenMatch
{
    public static bool Contains(JsonNode? answer, JsonNode? expected) => (answer, expected) switch
    {
        (null, null) => true,
        (JsonObject a, JsonObject e) => e.All(p => a.ContainsKey(p.Key) && Contains(a[p.Key], p.Value)),
        (JsonArray a, JsonArray e) => a.Count == e.Count && a.Zip(e).All(p => Contains(p.First, p.Second)),
        (JsonValue a, JsonValue e) => JsonNode.DeepEquals(a, e),
        _ => false,
    };
}
