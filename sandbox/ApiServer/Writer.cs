using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Create, update, patch and apply: read, change, check and store under the store's gate.</summary>
internal sealed class Writer(ObjectStore store, Registry registry, TimeProvider time)
{
    /// <summary>Takes an object out whose last finalizer has gone.</summary>
    public Action<Kind, JsonObject>? Finished { get; set; }

    public JsonObject Create(Kind kind, string? ns, JsonObject obj, WriteOptions options)
    {
        lock (store.Gate)
        {
            var meta = Admission.Meta(obj);
            if ((string?)meta["name"] is not { Length: > 0 } && (string?)meta["generateName"] is { } prefix)
            {
                meta["name"] = prefix + Guid.NewGuid().ToString("N")[..5];
            }

            var name = (string?)meta["name"] ?? throw ApiFailure.Invalid(kind, "", ["metadata.name: Required value: name or generateName is required"]);
            Admission.Identify(kind, ns, name, obj);
            if (!string.IsNullOrEmpty((string?)meta["resourceVersion"]))
            {
                throw ApiFailure.BadRequest("resourceVersion should not be set on objects to be created");
            }

            meta.Remove("resourceVersion");
            Home(kind, ns, name);
            if (store.Get(kind, ns, name) is not null)
            {
                throw new ApiFailure(409, "AlreadyExists", $"{kind.Resource} \"{name}\" already exists", new() { ["name"] = name, ["group"] = kind.Group, ["kind"] = kind.Plural });
            }

            Begin(kind, obj);
            Admission.Check(kind, name, null, obj, options);
            FieldOwnership.Track(null, obj, options.Manager, kind.ApiVersion, "", time.Stamp());
            return options.Dry ? obj : Store(kind, obj);
        }
    }

    /// <param name="change">Gets a copy of the stored object and returns what the caller wants.</param>
    public JsonObject Change(Kind kind, string? ns, string name, string subresource, WriteOptions options, Func<JsonObject, JsonObject> change)
    {
        lock (store.Gate)
        {
            var before = store.Get(kind, ns, name) ?? throw ApiFailure.NotFound(kind, name);
            var after = change(before.DeepClone().AsObject());
            Expect(kind, name, before, after);
            Admission.Identify(kind, ns, name, after);
            Admission.Isolate(kind, subresource, before, after);
            Admission.Check(kind, name, before, after, options);
            FieldOwnership.Track(before, after, options.Manager, kind.ApiVersion, subresource, time.Stamp());
            return Finish(kind, before, after, options.Dry);
        }
    }

    public (JsonObject Object, bool Created) Apply(Kind kind, string? ns, string name, string subresource, JsonObject applied, bool force, WriteOptions options)
    {
        lock (store.Gate)
        {
            var before = store.Get(kind, ns, name);
            if (before is null && subresource.Length > 0)
            {
                throw ApiFailure.NotFound(kind, name);
            }

            Admission.Identify(kind, ns, name, applied);
            if (applied["metadata"]!["managedFields"] is JsonArray { Count: > 0 })
            {
                throw ApiFailure.BadRequest("metadata.managedFields must be nil");
            }

            Expect(kind, name, before, applied);

            // A writer owns only what the endpoint can write.
            if (kind.HasStatus)
            {
                foreach (var key in applied.Select(p => p.Key).Where(k => k is not ("apiVersion" or "kind" or "metadata") && (k == "status") != (subresource == "status")).ToList())
                {
                    applied.Remove(key);
                }
            }

            if (subresource == "status")
            {
                applied["metadata"] = new JsonObject { ["name"] = name };
            }

            if (kind.Schema is not null)
            {
                Admission.Prune(kind, applied, options);
            }

            var after = before?.DeepClone().AsObject() ?? new JsonObject { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Name, ["metadata"] = new JsonObject { ["name"] = name } };
            if (before is null)
            {
                Admission.Identify(kind, ns, name, after);
                Home(kind, ns, name);
                Begin(kind, after);
            }

            FieldOwnership.Apply(after, applied, options.Manager, kind.ApiVersion, subresource, force, time.Stamp());
            Admission.Check(kind, name, before, after, options with { Strict = false });
            return before is null ? (options.Dry ? after : Store(kind, after), true) : (Finish(kind, before, after, options.Dry), false);
        }
    }

    /// <summary>Stores, and does what the kind asks for: CRDs are served, namespaces get their ServiceAccount.</summary>
    public JsonObject Store(Kind kind, JsonObject obj)
    {
        if (kind.Plural == "customresourcedefinitions")
        {
            var stamp = time.Stamp();
            obj["status"] ??= new JsonObject
            {
                ["acceptedNames"] = obj["spec"]!["names"]!.DeepClone(),
                ["storedVersions"] = new JsonArray([.. obj["spec"]!["versions"]!.AsArray().Where(v => v!["storage"]?.GetValue<bool>() == true).Select(v => v!["name"]!.DeepClone())]),
                ["conditions"] = new JsonArray(
                    new JsonObject { ["type"] = "NamesAccepted", ["status"] = "True", ["reason"] = "NoConflicts", ["message"] = "no conflicts found", ["lastTransitionTime"] = stamp },
                    new JsonObject { ["type"] = "Established", ["status"] = "True", ["reason"] = "InitialNamesAccepted", ["message"] = "the initial names have been accepted", ["lastTransitionTime"] = stamp }),
            };
            registry.Set(obj);
        }

        var fresh = kind.Resource == "namespaces" && store.Get(kind, null, (string)obj["metadata"]!["name"]!) is null;
        var stored = store.Put(kind, obj);
        if (fresh)
        {
            Create(registry.Find("", "v1", "serviceaccounts")!, (string)obj["metadata"]!["name"]!, new() { ["metadata"] = new JsonObject { ["name"] = "default" } }, new("controller-manager"));
        }

        return stored;
    }

    private JsonObject Finish(Kind kind, JsonObject before, JsonObject after, bool dry)
    {
        after["metadata"]!["resourceVersion"] = before["metadata"]!["resourceVersion"]!.DeepClone();
        if (JsonNode.DeepEquals(before, after))
        {
            return before;
        }

        JsonObject Spec(JsonObject o)
        {
            var spec = o.DeepClone().AsObject();
            spec.Remove("metadata");
            if (kind.HasStatus)
            {
                spec.Remove("status");
            }

            return spec;
        }

        if (after["metadata"]!["generation"] is { } generation && !JsonNode.DeepEquals(Spec(before), Spec(after)))
        {
            after["metadata"]!["generation"] = generation.GetValue<long>() + 1;
        }

        if (dry)
        {
            return after;
        }

        if (after["metadata"]!["deletionTimestamp"] is not null && after["metadata"]!["finalizers"] is not JsonArray { Count: > 0 })
        {
            Finished?.Invoke(kind, after);
            return after;
        }

        return Store(kind, after);
    }

    // Optimistic concurrency: what the caller names must be what is stored.
    private static void Expect(Kind kind, string name, JsonObject? before, JsonObject wanted)
    {
        var meta = wanted["metadata"] as JsonObject;
        if ((string?)meta?["resourceVersion"] is { Length: > 0 } version && version != (string?)before?["metadata"]?["resourceVersion"])
        {
            throw ApiFailure.Conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
        }

        if ((string?)meta?["uid"] is { Length: > 0 } uid && uid != (string?)before?["metadata"]?["uid"])
        {
            throw ApiFailure.Conflict(kind, name, $"Precondition failed: UID in precondition: {uid}, UID in object meta: {before?["metadata"]?["uid"]}");
        }
    }

    private void Home(Kind kind, string? ns, string name)
    {
        if (ns is null)
        {
            return;
        }

        var home = store.Get(registry.Find("", "v1", "namespaces")!, null, ns)
            ?? throw new ApiFailure(404, "NotFound", $"namespaces \"{ns}\" not found", new() { ["name"] = ns, ["kind"] = "namespaces" });
        if (home["metadata"]!["deletionTimestamp"] is not null)
        {
            throw new ApiFailure(403, "Forbidden", $"{kind.Resource} \"{name}\" is forbidden: unable to create new content in namespace {ns} because it is being terminated",
                new() { ["name"] = name, ["kind"] = kind.Plural, ["causes"] = new JsonArray(new JsonObject { ["reason"] = "NamespaceTerminating", ["message"] = $"namespace {ns} is being terminated", ["field"] = "metadata.namespace" }) });
        }
    }

    private void Begin(Kind kind, JsonObject obj)
    {
        var meta = obj["metadata"]!.AsObject();
        foreach (var key in (string[])["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"])
        {
            meta.Remove(key);
        }

        meta["uid"] = Guid.NewGuid().ToString();
        meta["creationTimestamp"] = time.Stamp();
        if (kind.HasGeneration)
        {
            meta["generation"] = 1;
        }

        if (kind.Custom && kind.HasStatus)
        {
            obj.Remove("status");
        }

        if (kind.Resource == "namespaces")
        {
            obj["spec"] = new JsonObject { ["finalizers"] = new JsonArray("kubernetes") };
            obj["status"] = new JsonObject { ["phase"] = "Active" };
            if (meta["labels"] is not JsonObject labels)
            {
                meta["labels"] = labels = [];
            }

            labels["kubernetes.io/metadata.name"] = (string)meta["name"]!;
        }
    }
}
