using System.Globalization;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>JSON merge patch (RFC 7396) and JSON patch (RFC 6902).</summary>
internal static class Patches
{
    public static JsonNode? Merge(JsonNode? target, JsonNode? patch)
    {
        if (patch is not JsonObject changes)
        {
            return patch?.DeepClone();
        }

        var result = target as JsonObject ?? [];
        foreach (var (key, value) in changes)
        {
            if (value is null)
            {
                result.Remove(key);
                continue;
            }

            var old = result[key];
            result.Remove(key);
            result[key] = Merge(old, value);
        }

        return result;
    }

    public static void Json(JsonObject target, JsonArray patch)
    {
        foreach (var step in patch.Select(p => p!.AsObject()))
        {
            var path = Pointer((string)step["path"]!);
            var value = step["value"]?.DeepClone();
            switch ((string?)step["op"])
            {
                case "test" when !JsonNode.DeepEquals(Find(target, path), step["value"]):
                    throw new ApiFailure(422, "Invalid", $"the server rejected our request due to an error in our request: testing path {step["path"]} failed");
                case "test":
                    break;
                case "move" or "copy":
                    var from = Pointer((string)step["from"]!);
                    var moved = Find(target, from)?.DeepClone();
                    if ((string)step["op"]! == "move")
                    {
                        Set(target, from, null, remove: true, insert: false);
                    }

                    Set(target, path, moved, remove: false, insert: true);
                    break;
                case var op:
                    Set(target, path, value, op == "remove", op == "add");
                    break;
            }
        }
    }

    private static string[] Pointer(string pointer) => [.. pointer.Split('/').Skip(1).Select(s => s.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];

    private static JsonNode? Find(JsonNode? node, IEnumerable<string> path)
    {
        foreach (var step in path)
        {
            node = node switch
            {
                JsonObject o => o[step],
                JsonArray a when int.TryParse(step, CultureInfo.InvariantCulture, out var i) && i < a.Count => a[i],
                _ => null,
            };
        }

        return node;
    }

    private static void Set(JsonObject target, string[] path, JsonNode? value, bool remove, bool insert)
    {
        var last = path[^1];
        switch (Find(target, path.SkipLast(1)))
        {
            case JsonObject o when remove:
                if (!o.Remove(last))
                {
                    throw new ApiFailure(422, "Invalid", $"the server rejected our request due to an error in our request: {last} does not exist");
                }

                break;
            case JsonObject o:
                o[last] = value;
                break;
            case JsonArray a:
                var index = last == "-" ? a.Count : int.Parse(last, CultureInfo.InvariantCulture);
                if (remove)
                {
                    a.RemoveAt(index);
                }
                else if (insert)
                {
                    a.Insert(index, value);
                }
                else
                {
                    a[index] = value;
                }

                break;
            default:
                throw new ApiFailure(422, "Invalid", "the server rejected our request due to an error in our request: the path does not exist");
        }
    }
}
