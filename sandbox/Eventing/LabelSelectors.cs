using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>LabelSelector objects as the query text of list and watch (apimachinery <c>meta/v1.FormatLabelSelector</c>).</summary>
internal static class LabelSelectors
{
    /// <summary>Null selects everything.</summary>
    /// <exception cref="FormatException">An operator that is none.</exception>
    public static string? Query(JsonNode? selector)
    {
        var labels = (selector.At("matchLabels") as JsonObject ?? []).OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}");
        var expressions = selector.At("matchExpressions").Objects().Select(e => (Key: e.Text("key"), Values: string.Join(',', e.At("values") as JsonArray ?? []), Operator: e.Text("operator")) switch
        {
            { Operator: "In" } x => $"{x.Key} in ({x.Values})",
            { Operator: "NotIn" } x => $"{x.Key} notin ({x.Values})",
            { Operator: "Exists" } x => x.Key!,
            { Operator: "DoesNotExist" } x => $"!{x.Key}",
            var x => throw new FormatException($"\"{x.Operator}\" is not a valid label selector operator"),
        });
        var query = string.Join(',', labels.Concat(expressions));
        return query.Length == 0 ? null : query;
    }
}
