using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// Field ownership of server-side apply. Lists are atomic, except metadata.ownerReferences (by uid) and metadata.finalizers (a set).
/// </summary>
internal static class FieldOwnership
{
    private const char Joint = '\u0001';
    private static readonly HashSet<string> s_serverOwned = ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields", "generateName", "selfLink"];

    /// <summary>Applies <paramref name="applied"/> onto <paramref name="live"/> for one manager; 409 when another manager owns a field with another value.</summary>
    public static void Apply(JsonObject live, JsonObject applied, string manager, string apiVersion, string subresource, bool force, string now)
    {
        var entries = Read(live);
        var mine = entries.Find(e => e.Manager == manager && e.Operation == "Apply" && e.Subresource == subresource);
        var wanted = Leaves(applied);
        var current = Leaves(live);

        // 1. Conflicts: a field of another manager that would change.
        var conflicts = new List<(string Who, string Field)>();
        foreach (var (path, value) in wanted)
        {
            foreach (var other in entries.Where(e => e != mine))
            {
                foreach (var theirs in other.Paths.Where(p => Overlaps(p, path)).ToList())
                {
                    // The same value is shared, and an empty object beside one with members is only less said of the same map.
                    if ((theirs == path && current.TryGetValue(path, out var have) && JsonNode.DeepEquals(have, value))
                        || (theirs != path && (theirs.Length < path.Length ? current.GetValueOrDefault(theirs) is null or JsonObject : value is JsonObject)))
                    {
                        continue;
                    }

                    if (!force)
                    {
                        conflicts.Add(($"\"{other.Manager}\"{(other.Subresource.Length > 0 ? $" with subresource \"{other.Subresource}\"" : "")} using {other.ApiVersion}", "." + Shown(path)));
                    }

                    other.Paths.Remove(theirs);
                }
            }
        }

        if (conflicts.Count > 0)
        {
            var causes = new JsonArray([.. conflicts.Select(c => new JsonObject { ["reason"] = "FieldManagerConflict", ["message"] = $"conflict with {c.Who}", ["field"] = c.Field })]);
            var message = conflicts.Count == 1
                ? $"conflict with {conflicts[0].Who}: {conflicts[0].Field}"
                : string.Join('\n', conflicts.GroupBy(c => c.Who).Select(g => $"conflicts with {g.Key}:\n" + string.Join('\n', g.Select(c => "- " + c.Field))));
            throw new ApiFailure(409, "Conflict", $"Apply failed with {conflicts.Count} conflict{(conflicts.Count == 1 ? "" : "s")}: {message}", new() { ["causes"] = causes });
        }

        // 2. What this manager no longer applies goes, unless somebody else owns it too.
        foreach (var gone in mine?.Paths.Where(p => !wanted.ContainsKey(p)).ToList() ?? [])
        {
            if (!entries.Exists(e => e != mine && e.Paths.Exists(p => Overlaps(p, gone))) && !wanted.Keys.Any(p => Overlaps(p, gone)))
            {
                Remove(live, gone.Split(Joint), 0);
            }
        }

        // 3. What it applies is set.
        foreach (var (path, value) in wanted)
        {
            Set(live, path.Split(Joint), value);
        }

        // 4. The new ownership; the time changes only when something else does.
        var paths = wanted.Keys.Order(StringComparer.Ordinal).ToList();
        if (mine is null)
        {
            entries.Add(new(manager, "Apply", subresource, apiVersion, now, paths));
        }
        else if (!mine.Paths.Order(StringComparer.Ordinal).SequenceEqual(paths))
        {
            entries[entries.IndexOf(mine)] = mine with { Paths = paths, Time = now };
        }

        entries.RemoveAll(e => e.Paths.Count == 0 && !(e.Manager == manager && e.Operation == "Apply"));
        Write(live, entries);
    }

    /// <summary>Records the fields a plain write changed.</summary>
    public static void Track(JsonObject? before, JsonObject after, string manager, string apiVersion, string subresource, string now)
    {
        after["metadata"]!.AsObject().Remove("managedFields");
        if (before?["metadata"]?["managedFields"] is { } kept)
        {
            after["metadata"]!["managedFields"] = kept.DeepClone();
        }

        var entries = Read(after);
        var old = before is null ? [] : Leaves(before);
        var present = Leaves(after);
        var changed = present.Where(p => !old.TryGetValue(p.Key, out var was) || !JsonNode.DeepEquals(was, p.Value)).Select(p => p.Key).ToList();
        var mine = entries.Find(e => e.Manager == manager && e.Operation == "Update" && e.Subresource == subresource);
        foreach (var entry in entries)
        {
            entry.Paths.RemoveAll(p => !present.ContainsKey(p) || (entry != mine && changed.Contains(p)));
        }

        if (changed.Count > 0)
        {
            if (mine is null)
            {
                entries.Add(new(manager, "Update", subresource, apiVersion, now, changed));
            }
            else
            {
                entries[entries.IndexOf(mine)] = mine with { Paths = [.. mine.Paths.Union(changed)], Time = now };
            }
        }

        entries.RemoveAll(e => e.Paths.Count == 0);
        Write(after, entries);
    }

    private static bool Overlaps(string a, string b) => a == b || a.StartsWith(b + Joint, StringComparison.Ordinal) || b.StartsWith(a + Joint, StringComparison.Ordinal);

    private static string Shown(string path) => string.Join('.', path.Split(Joint).Select(s => s.StartsWith("f:", StringComparison.Ordinal) ? s[2..] : s));

    private static Dictionary<string, JsonNode?> Leaves(JsonObject obj)
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

    private static void Set(JsonObject root, string[] path, JsonNode? value)
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

    private static void Remove(JsonObject at, string[] path, int i)
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

    private sealed record Entry(string Manager, string Operation, string Subresource, string ApiVersion, string Time, List<string> Paths);

    private static List<Entry> Read(JsonObject obj)
    {
        var entries = new List<Entry>();
        foreach (var item in obj["metadata"]?["managedFields"] as JsonArray ?? [])
        {
            var paths = new List<string>();
            void Collect(JsonObject node, string path)
            {
                foreach (var (key, value) in node)
                {
                    var here = path.Length == 0 ? key : path + Joint + key;
                    if (value is JsonObject { Count: > 0 } deeper)
                    {
                        Collect(deeper, here);
                    }
                    else
                    {
                        paths.Add(here);
                    }
                }
            }

            Collect(item!["fieldsV1"] as JsonObject ?? [], "");
            entries.Add(new((string)item["manager"]!, (string)item["operation"]!, (string?)item["subresource"] ?? "", (string)item["apiVersion"]!, (string)item["time"]!, paths));
        }

        return entries;
    }

    private static void Write(JsonObject obj, List<Entry> entries)
    {
        var list = new JsonArray();
        foreach (var entry in entries)
        {
            var fields = new JsonObject();
            foreach (var path in entry.Paths.Order(StringComparer.Ordinal))
            {
                var at = fields;
                foreach (var step in path.Split(Joint))
                {
                    if (at[step] is not JsonObject next)
                    {
                        at[step] = next = [];
                    }

                    at = next;
                }
            }

            var item = new JsonObject
            {
                ["manager"] = entry.Manager,
                ["operation"] = entry.Operation,
                ["apiVersion"] = entry.ApiVersion,
                ["time"] = entry.Time,
                ["fieldsType"] = "FieldsV1",
                ["fieldsV1"] = fields,
            };
            if (entry.Subresource.Length > 0)
            {
                item["subresource"] = entry.Subresource;
            }

            list.Add(item);
        }

        obj["metadata"]!["managedFields"] = list;
    }
}
