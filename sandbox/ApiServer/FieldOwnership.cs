using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Field ownership: server-side apply, and what plain writes take over.</summary>
internal static class FieldOwnership
{
    /// <summary>Applies <paramref name="applied"/> onto <paramref name="live"/> for one manager; 409 when another manager owns a field with another value.</summary>
    public static void Apply(JsonObject live, JsonObject applied, string manager, string apiVersion, string subresource, bool force, string now)
    {
        var entries = ManagedFields.Read(live);
        var mine = entries.Find(e => e.Manager == manager && e.Operation == "Apply" && e.Subresource == subresource);
        var wanted = FieldPaths.Leaves(applied);
        var current = FieldPaths.Leaves(live);

        // 1. Conflicts: a field of another manager that would change.
        var conflicts = new List<(string Who, string Field)>();
        foreach (var (path, value) in wanted)
        {
            foreach (var other in entries.Where(e => e != mine))
            {
                foreach (var theirs in other.Paths.Where(p => FieldPaths.Overlaps(p, path)).ToList())
                {
                    // The same value is shared, and an empty object beside one with members is only less said of the same map.
                    if ((theirs == path && current.TryGetValue(path, out var have) && JsonNode.DeepEquals(have, value))
                        || (theirs != path && (theirs.Length < path.Length ? current.GetValueOrDefault(theirs) is null or JsonObject : value is JsonObject)))
                    {
                        continue;
                    }

                    if (!force)
                    {
                        conflicts.Add(($"\"{other.Manager}\"{(other.Subresource.Length > 0 ? $" with subresource \"{other.Subresource}\"" : "")} using {other.ApiVersion}", "." + FieldPaths.Shown(path)));
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
            if (!entries.Exists(e => e != mine && e.Paths.Exists(p => FieldPaths.Overlaps(p, gone))) && !wanted.Keys.Any(p => FieldPaths.Overlaps(p, gone)))
            {
                FieldPaths.Remove(live, gone.Split(FieldPaths.Joint), 0);
            }
        }

        // 3. What it applies is set.
        foreach (var (path, value) in wanted)
        {
            FieldPaths.Set(live, path.Split(FieldPaths.Joint), value);
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
        ManagedFields.Write(live, entries);
    }

    /// <summary>Records the fields a plain write changed.</summary>
    public static void Track(JsonObject? before, JsonObject after, string manager, string apiVersion, string subresource, string now)
    {
        after["metadata"]!.AsObject().Remove("managedFields");
        if (before?["metadata"]?["managedFields"] is { } kept)
        {
            after["metadata"]!["managedFields"] = kept.DeepClone();
        }

        var entries = ManagedFields.Read(after);
        var old = before is null ? [] : FieldPaths.Leaves(before);
        var present = FieldPaths.Leaves(after);
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
        ManagedFields.Write(after, entries);
    }
}
