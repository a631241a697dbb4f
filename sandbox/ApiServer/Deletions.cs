using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Deletion with finalizers, preconditions and propagation policies; what depends on an object is the <see cref="Collector"/>'s.</summary>
internal sealed class Deletions(ObjectStore store, Registry registry, TimeProvider time)
{
    /// <summary>The finalizers by which the collector is told to go first (metav1.FinalizerDeleteDependents, FinalizerOrphanDependents).</summary>
    public const string Foreground = "foregroundDeletion";
    public const string Orphan = "orphan";

    public async Task AnswerAsync(Call call)
    {
        var text = await Answers.TextAsync(call.Http);
        var body = text.Length == 0 ? [] : Yaml.Object(text);
        var policy = (string?)body["propagationPolicy"] ?? (string?)call.Query["propagationPolicy"];
        var dry = call.Options.Dry || body["dryRun"] is JsonArray { Count: > 0 };
        if (call.Name is null)
        {
            List<JsonObject> gone;
            long version;
            lock (store.Gate)
            {
                gone = store.List(call.Kind, call.Namespace, Lists.Selecting(call));
                gone.ForEach(obj => _ = dry ? null : Delete(call.Kind, obj.DeepClone().AsObject(), policy));
                version = store.Version;
            }

            await Answers.SendAsync(call.Http, Lists.Of(call.Kind, gone, version));
            return;
        }

        JsonObject obj;
        JsonObject? left;
        lock (store.Gate)
        {
            obj = store.Get(call.Kind, call.Namespace, call.Name) ?? throw ApiFailure.NotFound(call.Kind, call.Name);
            foreach (var field in (string[])["uid", "resourceVersion"])
            {
                if ((string?)body["preconditions"]?[field] is { } wanted && wanted != (string?)obj["metadata"]![field])
                {
                    throw ApiFailure.Conflict(call.Kind, call.Name, $"the {field} in the precondition ({wanted}) does not match the {field} in record ({obj["metadata"]![field]})");
                }
            }

            left = dry ? obj : Delete(call.Kind, obj.DeepClone().AsObject(), policy);
        }

        // As the real server: the object while it lingers, a Status once it is gone.
        await (left is not null ? Answers.SendAsync(call, left, time.GetUtcNow()) : Answers.SendAsync(call.Http, new JsonObject
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject(),
            ["status"] = "Success",
            ["details"] = new JsonObject { ["name"] = call.Name, ["group"] = call.Kind.Group, ["kind"] = call.Kind.Plural, ["uid"] = obj["metadata"]!["uid"]!.DeepClone() },
        }));
    }

    /// <summary>Deletes an object that the caller has just read under the gate; returns what lingers, or null.</summary>
    public JsonObject? Delete(Kind kind, JsonObject obj, string? policy)
    {
        var meta = obj["metadata"]!.AsObject();
        if (kind.Resource == "namespaces")
        {
            return DeleteNamespace(kind, obj);
        }

        var finalizer = policy switch { "Foreground" => Foreground, "Orphan" => Orphan, _ => null };
        var finalizers = meta["finalizers"] as JsonArray;
        var added = finalizer is not null && finalizers?.Any(f => (string?)f == finalizer) != true;
        if (added)
        {
            if (finalizers is null)
            {
                meta["finalizers"] = finalizers = [];
            }

            finalizers.Add(finalizer);
        }

        if (finalizers is not { Count: > 0 })
        {
            Remove(kind, obj);
            return null;
        }

        if (meta["deletionTimestamp"] is null)
        {
            Mark(meta);
            return store.Put(kind, obj);
        }

        return added ? store.Put(kind, obj) : obj;
    }

    /// <summary>Takes an object out; <paramref name="obj"/> is its last state.</summary>
    public void Remove(Kind kind, JsonObject obj)
    {
        var ns = (string?)obj["metadata"]!["namespace"];
        store.Remove(kind, ns, (string)obj["metadata"]!["name"]!, obj);
        if (kind.Plural == "customresourcedefinitions")
        {
            foreach (var version in Kind.FromCrd(obj))
            {
                store.List(version, null).ForEach(o => store.Remove(version, (string?)o["metadata"]!["namespace"], (string)o["metadata"]!["name"]!));
            }

            registry.Remove(obj);
        }

        if (ns is not null)
        {
            Emptied(ns);
        }
    }

    private JsonObject? DeleteNamespace(Kind kind, JsonObject obj)
    {
        var meta = obj["metadata"]!.AsObject();
        var name = (string)meta["name"]!;
        if (meta["deletionTimestamp"] is null)
        {
            Mark(meta);
            obj["status"] = new JsonObject { ["phase"] = "Terminating" };
            store.Put(kind, obj);
            foreach (var inside in registry.Kinds.Where(k => k.Namespaced).DistinctBy(k => k.Resource))
            {
                store.List(inside, name).ForEach(content => Delete(inside, content, "Background"));
            }
        }

        return Emptied(name) ? null : store.Get(kind, null, name);
    }

    private void Mark(JsonObject meta)
    {
        meta["deletionTimestamp"] = time.Stamp();
        meta["deletionGracePeriodSeconds"] = 0;
        if (meta["generation"] is { } generation)
        {
            meta["generation"] = generation.GetValue<long>() + 1;
        }
    }

    // A terminating namespace goes with its last object.
    private bool Emptied(string ns)
    {
        var kind = registry.Find("", "v1", "namespaces")!;
        return store.Get(kind, null, ns) is { } home && home["metadata"]!["deletionTimestamp"] is not null
            && registry.Kinds.Where(k => k.Namespaced).All(k => store.IsEmpty(k, ns)) && store.Remove(kind, null, ns) is not null;
    }
}
