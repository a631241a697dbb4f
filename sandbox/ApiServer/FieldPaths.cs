using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// Paths of single fields as FieldsV1 writes them (<c>f:name</c>, <c>k:{"uid":…}</c>, <c>v:…</c>), joined by a character no name has.
/// Lists are atomic, except metadata.ownerReferences (by uid) and metadata.finalizers (a set).
/// </summary>
internal static class FieldPaths
{
    public const char Joint = '\u0001';
    private static readonly HashSet<string> s_serverOwned = ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields", "generateName", "selfLink"];

    public static bool Overlaps(string a, string b) => a == b || a.StartsWith(b + Joint, StringComparison.Ordinal) || b.StartsWith(a + Joint, StringComparison.Ordinal);

    public static string Shown(string path) => string.Join('.', path.Split(Joint).Select(s => s.StartsWith("f:", StringComparison.Ordinal) ? s[2..] : s));

    public static Dictionary<string, JsonNode?> Leaves(JsonObject obj)
    {
        var leaves = new Dictionary<string, JsonNode?>();
        foreach (var (key, value) in obj)
        {
            if (key == "metadata" && value is JsonObject meta)
            {
                foreach (var (name, part) in meta.Where(m => !s_serverOwned.Contains(m.Key)))
                {
                    Walk(leaves, $"f:metadata{Joint}f:{name}", part, name);
                }
            }
            else if (key is not ("apiVersion" or "kind"))
            {
                Walk(leaves, "f:" + key, value, null);
            }
        }

        return leaves;
    }

    private static void Walk(Dictionary<string, JsonNode?> leaves, string path, JsonNode? node, string? meta)
    {
        switch (node)
        {
            case JsonObject { Count: > 0 } obj:
                foreach (var (key, value) in obj)
                {
                    Walk(leaves, $"{path}{Joint}f:{key}", value, null);
                }

                break;
            case JsonArray list when meta == "ownerReferences":
                foreach (var item in list)
                {
                    leaves[$"{path}{Joint}k:{new JsonObject { ["uid"] = item!["uid"]?.DeepClone() }.ToJsonString()}"] = item;
                }

                break;
            case JsonArray list when meta == "finalizers":
                foreach (var item in list)
                {
                    leaves[$"{path}{Joint}v:{item!.ToJsonString()}"] = item;
                }

                break;
            default:
                leaves[path] = node;
                break;
        }
    }

    public static void Set(JsonObject root, string[] path, JsonNode? value)
    {
        var at = root;
        for (var i = 0; i < path.Length - 1; i++)
        {
            var name = path[i][2..];
            if (!path[i + 1].StartsWith("f:", StringComparison.Ordinal))
            {
                var list = at[name] as JsonArray;
                if (list is null)
                {
                    at[name] = list = [];
                }

                var same = Index(list, path[i + 1]);
                if (same < 0)
                {
                    list.Add(value?.DeepClone());
                }
                else
                {
                    list[same] = value?.DeepClone();
                }

                return;
            }

            if (at[name] is not JsonObject next)
            {
                at[name] = next = [];
            }

            at = next;
        }

        var last = path[^1][2..];
        // An empty object says only that it exists.
        if (value is JsonObject { Count: 0 } && at[last] is JsonObject)
        {
            return;
        }

        at[last] = value?.DeepClone();
    }

    public static void Remove(JsonObject at, string[] path, int i)
    {
        var name = path[i][2..];
        if (i == path.Length - 1)
        {
            at.Remove(name);
        }
        else if (at[name] is JsonArray list)
        {
            var index = Index(list, path[i + 1]);
            if (index >= 0)
            {
                list.RemoveAt(index);
            }

            if (list.Count == 0)
            {
                at.Remove(name);
            }
        }
        else if (at[name] is JsonObject next)
        {
            Remove(next, path, i + 1);
            if (next.Count == 0)
            {
                at.Remove(name);
            }
        }
    }

    private static int Index(JsonArray list, string key)
    {
        var wanted = JsonNode.Parse(key[2..]);
        for (var i = 0; i < list.Count; i++)
        {
            if (key[0] == 'k' ? (string?)list[i]?["uid"] == (string?)wanted?["uid"] : JsonNode.DeepEquals(list[i], wanted))
            {
                return i;
            }
        }

        return -1;
    }
}
