using System.Collections.Frozen;
using System.Text.Json.Nodes;
using CloudNative.CloudEvents;

namespace Prewarm.Functions.Events;

/// <summary>A Kubernetes object changed, as Knative's ApiServerSource tells it (Resource mode; labels are empty in Reference mode).</summary>
internal sealed record ApiServerEvent(string Kind, string Namespace, string Name, IReadOnlyDictionary<string, string> Labels)
{
    private const string TypePrefix = "dev.knative.apiserver.";

    /// <summary>Null when it is no such event or names no object.</summary>
    public static ApiServerEvent? Parse(CloudEvent cloudEvent)
    {
        if (cloudEvent.Type?.StartsWith(TypePrefix, StringComparison.Ordinal) != true || cloudEvent.Data is not JsonObject data)
        {
            return null;
        }

        var meta = data["metadata"] as JsonObject ?? data;
        var (kind, name) = (Text(data["kind"]), Text(meta["name"]));
        if (kind is null || name is null)
        {
            return null;
        }

        var labels = (meta["labels"] as JsonObject)?.Where(l => Text(l.Value) is not null)
            .ToFrozenDictionary(l => l.Key, l => Text(l.Value)!, StringComparer.Ordinal) ?? FrozenDictionary<string, string>.Empty;
        return new(kind, Text(meta["namespace"]) ?? "", name, labels);
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
