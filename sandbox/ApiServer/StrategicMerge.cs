using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// Strategic merge patch of built-in kinds, as <c>kubectl apply</c> and <c>kubectl patch</c> send it: lists of the core types merge by their key,
/// all others are replaced; <c>$patch</c> and <c>$deleteFromPrimitiveList</c> are understood, orders are not kept.
/// </summary>
internal static class StrategicMerge
{
    // Field name to merge key (k8s.io/api, patchMergeKey tags); "" marks a set of plain values.
    private static readonly Dictionary<string, string[]> s_keys = new()
    {
        ["containers"] = ["name"],
        ["initContainers"] = ["name"],
        ["volumes"] = ["name"],
        ["env"] = ["name"],
        ["imagePullSecrets"] = ["name"],
        ["secrets"] = ["name"],
        ["ports"] = ["containerPort", "port"],
        ["volumeMounts"] = ["mountPath"],
        ["conditions"] = ["type"],
        ["addresses"] = ["type"],
        ["ownerReferences"] = ["uid"],
        ["hostAliases"] = ["ip"],
        ["finalizers"] = [""],
    };

    public static JsonNode? Apply(JsonNode? target, JsonNode? patch) => Merge(target, patch, "");

    private static JsonNode? Merge(JsonNode? target, JsonNode? patch, string field)
    {
        if (patch is JsonArray list)
        {
            return target is JsonArray old && s_keys.TryGetValue(field, out var keys) ? MergeList(old, list, keys) : list.DeepClone();
        }

        if (patch is not JsonObject changes)
        {
            return patch?.DeepClone();
        }

        if ((string?)changes["$patch"] is { } directive)
        {
            var replaced = changes.DeepClone().AsObject();
            replaced.Remove("$patch");
            return directive == "delete" ? null : replaced;
        }

        var result = target as JsonObject ?? [];
        foreach (var (key, value) in changes)
        {
            if (key.StartsWith("$deleteFromPrimitiveList/", StringComparison.Ordinal))
            {
                var gone = value!.AsArray();
                (result[key[(key.IndexOf('/') + 1)..]] as JsonArray)?.RemoveAll(v => gone.Any(g => JsonNode.DeepEquals(g, v)));
                continue;
            }

            if (key.StartsWith('$'))
            {
                continue;
            }

            var was = result[key];
            result.Remove(key);
            if (Merge(was, value, key) is { } merged)
            {
                result[key] = merged;
            }
        }

        return result;
    }

    private static JsonArray MergeList(JsonArray old, JsonArray patch, string[] keys)
    {
        if (patch.Any(p => (string?)(p as JsonObject)?["$patch"] == "replace"))
        {
            return new([.. patch.Where(p => (string?)(p as JsonObject)?["$patch"] != "replace").Select(p => p?.DeepClone())]);
        }

        foreach (var item in patch)
        {
            var key = keys[0].Length == 0 ? null : keys.FirstOrDefault(k => item?[k] is not null);
            var same = old.ToList().FindIndex(o => key is null ? JsonNode.DeepEquals(o, item) : JsonNode.DeepEquals((o as JsonObject)?[key], item![key]));
            if ((string?)(item as JsonObject)?["$patch"] == "delete")
            {
                if (same >= 0)
                {
                    old.RemoveAt(same);
                }
            }
            else if (same < 0)
            {
                old.Add(item?.DeepClone());
            }
            else if (key is not null)
            {
                var was = old[same];
                old[same] = null;
                old[same] = Merge(was, item, "");
            }
        }

        return old;
    }
}
