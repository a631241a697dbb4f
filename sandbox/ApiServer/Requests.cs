using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// One request: 1. who asks, 2. what path means, 3. may they, 4. the verb.
/// </summary>
internal sealed class Requests(ObjectStore store, Registry registry, Access access, ApiServerOptions options) : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    public void Stop() => _stopping.Cancel();

    public void Dispose() => _stopping.Dispose();

    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            await RouteAsync(context);
        }
        catch (ApiFailure failure) when (!context.Response.HasStarted)
        {
            await AnswerAsync(context, failure.Status(), failure.Code);
        }
        catch (OperationCanceledException)
        {
            // The caller went away, or the server stops: nobody reads an answer.
        }
        catch (Exception e) when (!context.Response.HasStarted && e is JsonException or InvalidOperationException or FormatException or NullReferenceException or YamlDotNet.Core.YamlException)
        {
            await AnswerAsync(context, ApiFailure.BadRequest("the request could not be understood: " + e.Message).Status(), 400);
        }
    }

    private async Task RouteAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!.Trim('/').Split('/', StringSplitOptions.RemoveEmptyEntries);
        var user = access.Authenticate(context.Request.Headers.Authorization) ?? throw new ApiFailure(401, "Unauthorized", "Unauthorized");
        if (path is ["healthz" or "readyz" or "livez", ..])
        {
            await context.Response.WriteAsync("ok", context.RequestAborted);
            return;
        }

        if (path is ["version"])
        {
            await AnswerAsync(context, Discovery.Version());
            return;
        }

        if (user.Name == "system:anonymous")
        {
            throw new ApiFailure(403, "Forbidden", $"forbidden: User \"system:anonymous\" cannot {context.Request.Method.ToLowerInvariant()} path \"{context.Request.Path}\"");
        }

        if (Discovery.Answer(path, registry.Kinds) is { } document)
        {
            await AnswerAsync(context, document);
            return;
        }

        if (path is ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] && HttpMethods.IsPost(context.Request.Method))
        {
            await AnswerAsync(context, Review(user, await BodyAsync(context)), 201);
            return;
        }

        var (group, version, rest) = path switch
        {
            ["api", var v, .. var r] => ("", v, r),
            ["apis", var g, var v, .. var r] => (g, v, r),
            _ => throw new ApiFailure(404, "NotFound", "the server could not find the requested resource"),
        };
        string? ns = null;
        if (rest is ["namespaces", var n, _, ..] && !(rest.Length == 3 && rest[2] is "status" or "finalize"))
        {
            (ns, rest) = (n, rest[2..]);
        }

        var kind = rest.Length > 0 ? registry.Find(group, version, rest[0]) : null;
        if (kind is null || rest.Length > 3)
        {
            throw new ApiFailure(404, "NotFound", "the server could not find the requested resource");
        }

        var name = rest.Length > 1 ? rest[1] : null;
        var sub = rest.Length > 2 ? rest[2] : "";
        var query = context.Request.Query;
        var watch = name is null && (string?)query["watch"] is "1" or "true";
        var verb = context.Request.Method switch
        {
            "GET" => name is not null ? "get" : watch ? "watch" : "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => name is null ? "deletecollection" : "delete",
            _ => throw new ApiFailure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
        };
        var question = new Question(verb, group, sub.Length == 0 ? kind.Plural : $"{kind.Plural}/{sub}", ns, name);
        if (!access.Allows(user, question))
        {
            throw new ApiFailure(403, "Forbidden", $"{kind.Resource}{(name is null ? "" : $" \"{name}\"")} is forbidden: User \"{user.Name}\" cannot {verb} resource \"{question.Resource}\" in API group \"{group}\" "
                + (ns is null ? "at the cluster scope" : $"in the namespace \"{ns}\""), new() { ["name"] = name, ["group"] = group, ["kind"] = kind.Plural });
        }

        if (sub == "token" && kind.Plural == "serviceaccounts" && verb == "create")
        {
            await AnswerAsync(context, Token(kind, ns!, name!, await BodyAsync(context)), 201);
            return;
        }

        if (sub.Length > 0 && !(sub == "status" && kind.HasStatus))
        {
            throw new ApiFailure(404, "NotFound", "the server could not find the requested resource");
        }

        var manager = (string?)query["fieldManager"] ?? context.Request.Headers.UserAgent.ToString().Split('/')[0];
        manager = manager.Length == 0 ? "unknown" : manager;
        var strict = (string?)query["fieldValidation"] == "Strict";
        var dry = query.ContainsKey("dryRun");
        switch (verb)
        {
            case "get":
                await AnswerObjectAsync(context, kind, store.Get(kind, ns, name!) ?? throw ApiFailure.NotFound(kind, name!));
                break;
            case "list":
                await ListAsync(context, kind, ns);
                break;
            case "watch":
                await WatchAsync(context, kind, ns);
                break;
            case "create":
                await AnswerObjectAsync(context, kind, Create(kind, ns, await BodyAsync(context), manager, strict, dry), 201);
                break;
            case "update":
                var replacement = await BodyAsync(context);
                await AnswerObjectAsync(context, kind, Change(kind, ns, name!, sub, manager, strict, dry, _ => replacement));
                break;
            case "patch":
                await PatchAsync(context, kind, ns, name!, sub, manager, strict, dry);
                break;
            default:
                await DeleteAsync(context, kind, ns, name, dry);
                break;
        }
    }

    private async Task PatchAsync(HttpContext context, Kind kind, string? ns, string name, string sub, string manager, bool strict, bool dry)
    {
        var type = (context.Request.ContentType ?? "").Split(';')[0].Trim();
        var text = await TextAsync(context);
        switch (type)
        {
            case "application/apply-patch+yaml":
                var (applied, created) = Apply(kind, ns, name, sub, Yaml.Object(text), manager, (string?)context.Request.Query["force"] is "true" or "1", strict, dry);
                await AnswerObjectAsync(context, kind, applied, created ? 201 : 200);
                break;
            case "application/merge-patch+json" or "application/strategic-merge-patch+json":
                var merge = Yaml.Object(text);
                await AnswerObjectAsync(context, kind, Change(kind, ns, name, sub, manager, strict, dry, o => Patches.Merge(o, merge)!.AsObject()));
                break;
            case "application/json-patch+json":
                var steps = JsonNode.Parse(text)!.AsArray();
                await AnswerObjectAsync(context, kind, Change(kind, ns, name, sub, manager, strict, dry, o =>
                {
                    Patches.Json(o, steps);
                    return o;
                }));
                break;
            default:
                throw new ApiFailure(415, "UnsupportedMediaType", $"the body of the request was in an unknown format: {type}");
        }
    }

    public JsonObject Create(Kind kind, string? ns, JsonObject obj, string manager, bool strict = false, bool dry = false)
    {
        lock (store.Gate)
        {
            var meta = Meta(obj);
            if ((string?)meta["name"] is null && (string?)meta["generateName"] is { } prefix)
            {
                meta["name"] = prefix + Guid.NewGuid().ToString("N")[..5];
            }

            var name = (string?)meta["name"] ?? throw ApiFailure.Invalid(kind, "", ["metadata.name: Required value: name or generateName is required"]);
            Identify(kind, ns, name, obj);
            if (store.Get(kind, ns, name) is not null)
            {
                throw new ApiFailure(409, "AlreadyExists", $"{kind.Resource} \"{name}\" already exists", new() { ["name"] = name, ["group"] = kind.Group, ["kind"] = kind.Plural });
            }

            meta.Remove("resourceVersion");
            Begin(kind, ns, obj);
            Check(kind, name, obj, strict);
            FieldOwnership.Track(null, obj, manager, kind.ApiVersion, "", Now());
            return dry ? obj : Store(kind, obj);
        }
    }

    private JsonObject Change(Kind kind, string? ns, string name, string sub, string manager, bool strict, bool dry, Func<JsonObject, JsonObject> change)
    {
        lock (store.Gate)
        {
            var before = store.Get(kind, ns, name) ?? throw ApiFailure.NotFound(kind, name);
            var after = change(before.DeepClone().AsObject());
            var version = (string?)after["metadata"]?["resourceVersion"];
            if (!string.IsNullOrEmpty(version) && version != (string?)before["metadata"]!["resourceVersion"])
            {
                throw ApiFailure.Conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
            }

            Identify(kind, ns, name, after);
            Isolate(kind, sub, before, after);
            Check(kind, name, after, strict);
            FieldOwnership.Track(before, after, manager, kind.ApiVersion, sub, Now());
            return Finish(kind, before, after, dry);
        }
    }

    private (JsonObject Object, bool Created) Apply(Kind kind, string? ns, string name, string sub, JsonObject applied, string manager, bool force, bool strict, bool dry)
    {
        lock (store.Gate)
        {
            var before = store.Get(kind, ns, name);
            if (before is null && sub.Length > 0)
            {
                throw ApiFailure.NotFound(kind, name);
            }

            Identify(kind, ns, name, applied);
            if (applied["metadata"]!["managedFields"] is JsonArray { Count: > 0 })
            {
                throw ApiFailure.BadRequest("metadata.managedFields must be nil");
            }

            if (applied["metadata"]!["resourceVersion"] is { } wanted && (string?)wanted != (string?)before?["metadata"]?["resourceVersion"])
            {
                throw ApiFailure.Conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again");
            }

            if ((string?)applied["metadata"]!["uid"] is { } uid && uid != (string?)before?["metadata"]?["uid"])
            {
                throw ApiFailure.Conflict(kind, name, $"Precondition failed: UID in precondition: {uid}");
            }

            // A writer owns only what the endpoint can write.
            if (kind.HasStatus)
            {
                foreach (var key in applied.Select(p => p.Key).Where(k => k is not ("apiVersion" or "kind" or "metadata") && (k == "status") != (sub == "status")).ToList())
                {
                    applied.Remove(key);
                }
            }

            if (sub == "status")
            {
                applied["metadata"] = new JsonObject { ["name"] = name };
            }

            if (kind.Schema is not null)
            {
                Prune(kind, applied, strict);
            }

            var after = before?.DeepClone().AsObject() ?? new JsonObject { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Name, ["metadata"] = new JsonObject { ["name"] = name } };
            if (before is null)
            {
                Identify(kind, ns, name, after);
                Begin(kind, ns, after);
            }

            FieldOwnership.Apply(after, applied, manager, kind.ApiVersion, sub, force, Now());
            Check(kind, name, after, strict: false);
            return before is null ? (dry ? after : Store(kind, after), true) : (Finish(kind, before, after, dry), false);
        }
    }

    // The other half stays as it is: a status write changes only status, every other write all but status.
    private static void Isolate(Kind kind, string sub, JsonObject before, JsonObject after)
    {
        if (sub == "status")
        {
            var status = after["status"]?.DeepClone();
            foreach (var key in after.Select(p => p.Key).ToList())
            {
                after.Remove(key);
            }

            foreach (var (key, value) in before)
            {
                after[key] = value?.DeepClone();
            }

            after.Remove("status");
            if (status is not null)
            {
                after["status"] = status;
            }

            return;
        }

        if (kind.HasStatus)
        {
            after.Remove("status");
            if (before["status"] is { } kept)
            {
                after["status"] = kept.DeepClone();
            }
        }

        var (old, now) = (before["metadata"]!.AsObject(), after["metadata"]!.AsObject());
        foreach (var key in (string[])["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"])
        {
            now.Remove(key);
            if (old[key] is { } value)
            {
                now[key] = value.DeepClone();
            }
        }
    }

    private JsonObject Finish(Kind kind, JsonObject before, JsonObject after, bool dry)
    {
        after["metadata"]!["resourceVersion"] = before["metadata"]!["resourceVersion"]!.DeepClone();
        if (JsonNode.DeepEquals(before, after))
        {
            return before;
        }

        static JsonObject Spec(JsonObject o)
        {
            var spec = o.DeepClone().AsObject();
            spec.Remove("metadata");
            spec.Remove("status");
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
            store.Put(kind, after);
            Remove(kind, after);
            return after;
        }

        return Store(kind, after);
    }

    private JsonObject Store(Kind kind, JsonObject obj)
    {
        if (kind.Plural == "customresourcedefinitions")
        {
            var stamp = Now();
            var names = obj["spec"]!["names"]!.DeepClone();
            obj["status"] ??= new JsonObject
            {
                ["acceptedNames"] = names,
                ["storedVersions"] = new JsonArray([.. obj["spec"]!["versions"]!.AsArray().Where(v => v!["storage"]?.GetValue<bool>() == true).Select(v => v!["name"]!.DeepClone())]),
                ["conditions"] = new JsonArray(
                    new JsonObject { ["type"] = "NamesAccepted", ["status"] = "True", ["reason"] = "NoConflicts", ["message"] = "no conflicts found", ["lastTransitionTime"] = stamp },
                    new JsonObject { ["type"] = "Established", ["status"] = "True", ["reason"] = "InitialNamesAccepted", ["message"] = "the initial names have been accepted", ["lastTransitionTime"] = stamp }),
            };
            registry.Set(obj);
        }

        return store.Put(kind, obj);
    }

    private void Begin(Kind kind, string? ns, JsonObject obj)
    {
        if (ns is not null)
        {
            var home = store.Get(registry.Find("", "v1", "namespaces")!, null, ns)
                ?? throw new ApiFailure(404, "NotFound", $"namespaces \"{ns}\" not found", new() { ["name"] = ns, ["kind"] = "namespaces" });
            if (home["metadata"]!["deletionTimestamp"] is not null)
            {
                throw new ApiFailure(403, "Forbidden", $"{kind.Resource} \"{obj["metadata"]!["name"]}\" is forbidden: unable to create new content in namespace {ns} because it is being terminated");
            }
        }

        var meta = obj["metadata"]!.AsObject();
        foreach (var key in (string[])["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"])
        {
            meta.Remove(key);
        }

        meta["uid"] = Guid.NewGuid().ToString();
        meta["creationTimestamp"] = Now();
        if (kind.Custom || kind.Plural == "customresourcedefinitions")
        {
            meta["generation"] = 1;
        }

        if (kind.Custom && kind.HasStatus)
        {
            obj.Remove("status");
        }

        switch (kind.Plural)
        {
            case "namespaces":
                obj["status"] = new JsonObject { ["phase"] = "Active" };
                var labels = meta["labels"] as JsonObject;
                if (labels is null)
                {
                    meta["labels"] = labels = [];
                }

                labels["kubernetes.io/metadata.name"] = (string)meta["name"]!;
                break;
            case "secrets":
                obj["type"] ??= "Opaque";
                if (obj["stringData"] is JsonObject plain)
                {
                    var data = obj["data"] as JsonObject;
                    if (data is null)
                    {
                        obj["data"] = data = [];
                    }

                    foreach (var (key, value) in plain)
                    {
                        data[key] = Convert.ToBase64String(Encoding.UTF8.GetBytes((string)value!));
                    }

                    obj.Remove("stringData");
                }

                break;
        }
    }

    private static void Check(Kind kind, string name, JsonObject obj, bool strict)
    {
        if (kind.Schema is null)
        {
            return;
        }

        Prune(kind, obj, strict);
        Schema.Default(kind.Schema, obj);
        var problems = new List<string>();
        Schema.Validate(kind.Schema, obj, "", problems);
        if (problems.Count > 0)
        {
            throw ApiFailure.Invalid(kind, name, problems);
        }
    }

    private static void Prune(Kind kind, JsonObject obj, bool strict)
    {
        var unknown = new List<string>();
        Schema.Prune(kind.Schema!, obj, "", unknown);
        if (strict && unknown.Count > 0)
        {
            throw ApiFailure.BadRequest("strict decoding error: " + string.Join(", ", unknown.Select(u => $"unknown field \"{u}\"")));
        }
    }

    private static JsonObject Meta(JsonObject obj)
    {
        if (obj["metadata"] is not JsonObject meta)
        {
            obj["metadata"] = meta = [];
        }

        return meta;
    }

    private static void Identify(Kind kind, string? ns, string name, JsonObject obj)
    {
        var meta = Meta(obj);
        if ((string?)obj["apiVersion"] is { } api && api != kind.ApiVersion || (string?)obj["kind"] is { } what && what != kind.Name)
        {
            throw ApiFailure.BadRequest($"the object ({obj["apiVersion"]}, {obj["kind"]}) does not match the request ({kind.ApiVersion}, {kind.Name})");
        }

        if ((string?)meta["name"] is { } given && given != name)
        {
            throw ApiFailure.BadRequest($"the name of the object ({given}) does not match the name on the URL ({name})");
        }

        if (kind.Namespaced && ns is null || (string?)meta["namespace"] is { Length: > 0 } other && ns is not null && other != ns)
        {
            throw ApiFailure.BadRequest("the namespace of the provided object does not match the namespace sent on the request");
        }

        obj["apiVersion"] = kind.ApiVersion;
        obj["kind"] = kind.Name;
        meta["name"] = name;
        if (ns is not null)
        {
            meta["namespace"] = ns;
        }
    }

    private async Task DeleteAsync(HttpContext context, Kind kind, string? ns, string? name, bool dry)
    {
        var text = await TextAsync(context);
        var body = text.Length == 0 ? [] : Yaml.Object(text);
        var orphan = ((string?)body["propagationPolicy"] ?? (string?)context.Request.Query["propagationPolicy"]) == "Orphan";
        if (name is null)
        {
            var gone = new JsonArray();
            lock (store.Gate)
            {
                foreach (var obj in store.List(kind, ns, Selecting(context)))
                {
                    gone.Add(obj.DeepClone());
                    if (!dry)
                    {
                        Delete(kind, obj, orphan);
                    }
                }
            }

            await AnswerAsync(context, ListOf(kind, gone, store.Version, null));
            return;
        }

        JsonObject answer;
        lock (store.Gate)
        {
            var obj = store.Get(kind, ns, name) ?? throw ApiFailure.NotFound(kind, name);
            foreach (var field in (string[])["uid", "resourceVersion"])
            {
                if ((string?)body["preconditions"]?[field] is { } wanted && wanted != (string?)obj["metadata"]![field])
                {
                    throw ApiFailure.Conflict(kind, name, $"the {field} in the precondition ({wanted}) does not match the {field} in record ({obj["metadata"]![field]})");
                }
            }

            answer = dry ? obj : Delete(kind, obj, orphan);
        }

        await AnswerObjectAsync(context, kind, answer);
    }

    private JsonObject Delete(Kind kind, JsonObject obj, bool orphan)
    {
        var meta = obj["metadata"]!.AsObject();
        if (kind.Plural == "namespaces" && meta["deletionTimestamp"] is null)
        {
            meta["deletionTimestamp"] = Now();
            obj["status"] = new JsonObject { ["phase"] = "Terminating" };
            store.Put(kind, obj);
            foreach (var inside in registry.Kinds.Where(k => k.Namespaced))
            {
                foreach (var content in store.List(inside, (string)meta["name"]!))
                {
                    Delete(inside, content, orphan: true);
                }
            }

            return Emptied((string)meta["name"]!) ?? obj;
        }

        if (meta["finalizers"] is JsonArray { Count: > 0 })
        {
            if (meta["deletionTimestamp"] is not null)
            {
                return obj;
            }

            meta["deletionTimestamp"] = Now();
            meta["deletionGracePeriodSeconds"] = 0;
            if (meta["generation"] is { } generation)
            {
                meta["generation"] = generation.GetValue<long>() + 1;
            }

            return store.Put(kind, obj);
        }

        return Remove(kind, obj, orphan);
    }

    private JsonObject Remove(Kind kind, JsonObject obj, bool orphan = false)
    {
        var meta = obj["metadata"]!;
        var gone = store.Remove(kind, (string?)meta["namespace"], (string)meta["name"]!) ?? obj;
        if (kind.Plural == "customresourcedefinitions")
        {
            foreach (var version in Kind.FromCrd(obj))
            {
                store.List(version, null).ForEach(o => store.Remove(version, (string?)o["metadata"]!["namespace"], (string)o["metadata"]!["name"]!));
            }

            registry.Remove(obj);
        }

        if (!orphan)
        {
            Collect((string?)meta["uid"]);
        }

        if ((string?)meta["namespace"] is { } ns)
        {
            Emptied(ns);
        }

        return gone;
    }

    // A terminating namespace goes with its last object.
    private JsonObject? Emptied(string ns)
    {
        var kind = registry.Find("", "v1", "namespaces")!;
        return store.Get(kind, null, ns) is { } home && home["metadata"]!["deletionTimestamp"] is not null
            && registry.Kinds.Where(k => k.Namespaced).All(k => store.List(k, ns).Count == 0) ? store.Remove(kind, null, ns) : null;
    }

    // Owner references: what has lost its last owner goes too (background propagation, done at once).
    private void Collect(string? uid)
    {
        foreach (var kind in registry.Kinds)
        {
            foreach (var obj in store.List(kind, null))
            {
                if (obj["metadata"]!["ownerReferences"] is JsonArray { Count: > 0 } owners && owners.Any(o => (string?)o!["uid"] == uid))
                {
                    if (owners.Count == 1)
                    {
                        Delete(kind, obj, orphan: false);
                    }
                    else
                    {
                        obj["metadata"]!["ownerReferences"] = new JsonArray([.. owners.Where(o => (string?)o!["uid"] != uid).Select(o => o!.DeepClone())]);
                        store.Put(kind, obj);
                    }
                }
            }
        }
    }

    private async Task ListAsync(HttpContext context, Kind kind, string? ns)
    {
        List<JsonObject> all;
        long version;
        lock (store.Gate)
        {
            all = store.List(kind, ns, Selecting(context));
            version = store.Version;
        }

        var query = context.Request.Query;
        var limit = int.TryParse(query["limit"], CultureInfo.InvariantCulture, out var l) && l > 0 ? l : int.MaxValue;
        if ((string?)query["continue"] is { Length: > 0 } token)
        {
            var mark = Encoding.UTF8.GetString(Convert.FromHexString(token)).Split('\n');
            version = long.Parse(mark[0], CultureInfo.InvariantCulture);
            all = [.. all.Where(o => string.CompareOrdinal(Key(o), mark[1]) > 0)];
        }

        string? next = null;
        if (all.Count > limit)
        {
            all = all[..limit];
            next = Convert.ToHexString(Encoding.UTF8.GetBytes($"{version}\n{Key(all[^1])}"));
        }

        var answer = Table.Wanted(context) ? Table.Of(kind, all, options.Time.GetUtcNow(), Table.Include(context)) : ListOf(kind, new([.. all.Select(o => o.DeepClone())]), version, next);
        answer["metadata"] = ListMeta(version, next);
        await AnswerAsync(context, answer);
    }

    private static string Key(JsonObject obj) => $"{(string?)obj["metadata"]!["namespace"]}/{(string?)obj["metadata"]!["name"]}";

    private static JsonObject ListMeta(long version, string? next)
    {
        var meta = new JsonObject { ["resourceVersion"] = version.ToString(CultureInfo.InvariantCulture) };
        if (next is not null)
        {
            meta["continue"] = next;
        }

        return meta;
    }

    private static JsonObject ListOf(Kind kind, JsonArray items, long version, string? next) =>
        new() { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.ListName, ["metadata"] = ListMeta(version, next), ["items"] = items };

    private async Task WatchAsync(HttpContext context, Kind kind, string? ns)
    {
        var query = context.Request.Query;
        var selector = Selecting(context);
        var (table, include) = (Table.Wanted(context), Table.Include(context));
        var bookmarks = (string?)query["allowWatchBookmarks"] is "true" or "1";
        var given = (string?)query["resourceVersion"];
        var seconds = int.TryParse(query["timeoutSeconds"], CultureInfo.InvariantCulture, out var s) && s > 0 ? s : 1800;
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(seconds), options.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, context.RequestAborted, _stopping.Token);
        var token = linked.Token;
        context.Response.ContentType = "application/json";
        async Task SendAsync(string type, JsonObject obj)
        {
            var shown = table && type is not ("ERROR" or "BOOKMARK") ? Table.Of(kind, [obj], options.Time.GetUtcNow(), include) : obj;
            await context.Response.WriteAsync(new JsonObject { ["type"] = type, ["object"] = shown }.ToJsonString() + "\n", token);
        }

        long from;
        if (string.IsNullOrEmpty(given) || given == "0")
        {
            List<JsonObject> now;
            lock (store.Gate)
            {
                now = store.List(kind, ns, selector);
                from = store.Version;
            }

            foreach (var obj in now)
            {
                await SendAsync("ADDED", obj);
            }
        }
        else
        {
            from = long.TryParse(given, CultureInfo.InvariantCulture, out var v) ? v : throw ApiFailure.BadRequest($"invalid resource version {given}");
        }

        await context.Response.Body.FlushAsync(token);
        try
        {
            while (true)
            {
                var (changes, version, next) = store.After(from, kind);
                foreach (var change in changes)
                {
                    await PassAsync(change);
                }

                from = version;
                if (changes.Count > 0)
                {
                    await context.Response.Body.FlushAsync(token);
                }

                try
                {
                    await next.WaitAsync(options.BookmarkInterval, options.Time, token);
                }
                catch (TimeoutException)
                {
                    if (bookmarks)
                    {
                        await SendAsync("BOOKMARK", new() { ["kind"] = kind.Name, ["apiVersion"] = kind.ApiVersion, ["metadata"] = ListMeta(from, null) });
                        await context.Response.Body.FlushAsync(token);
                    }
                }
            }
        }
        catch (ApiFailure expired)
        {
            await SendAsync("ERROR", expired.Status());
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // The agreed end of a watch: the answer just closes.
        }

        // What enters the selection is ADDED, what leaves it DELETED, whatever happened to the object.
        async Task PassAsync(Change change)
        {
            var obj = ObjectStore.Parse(change.Object);
            if (ns is not null && (string?)obj["metadata"]!["namespace"] != ns)
            {
                return;
            }

            var was = change.Before is not null && selector.Matches(ObjectStore.Parse(change.Before));
            var matches = change.Type != "DELETED" && selector.Matches(obj);
            if (was || matches)
            {
                await SendAsync(!was ? "ADDED" : matches ? "MODIFIED" : "DELETED", obj);
            }
        }
    }

    private static Selector Selecting(HttpContext context) => new(context.Request.Query["labelSelector"], context.Request.Query["fieldSelector"]);

    private JsonObject Token(Kind kind, string ns, string name, JsonObject request)
    {
        var account = store.Get(kind, ns, name) ?? throw ApiFailure.NotFound(kind, name);
        var (token, expires) = access.Issue(ns, name, (string)account["metadata"]!["uid"]!, request["spec"]?["expirationSeconds"]?.GetValue<long>() ?? 3600);
        request["apiVersion"] = "authentication.k8s.io/v1";
        request["kind"] = "TokenRequest";
        request["status"] = new JsonObject { ["token"] = token, ["expirationTimestamp"] = expires.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) };
        return request;
    }

    private JsonObject Review(User user, JsonObject review)
    {
        var asked = review["spec"]?["resourceAttributes"] as JsonObject;
        string Of(string key) => (string?)asked?[key] ?? "";
        var resource = Of("subresource").Length > 0 ? $"{Of("resource")}/{Of("subresource")}" : Of("resource");
        var allowed = asked is null || access.Allows(user, new(Of("verb"), Of("group"), resource, Of("namespace") is { Length: > 0 } ns ? ns : null, Of("name") is { Length: > 0 } name ? name : null));
        review["apiVersion"] = "authorization.k8s.io/v1";
        review["kind"] = "SelfSubjectAccessReview";
        review["status"] = new JsonObject { ["allowed"] = allowed };
        return review;
    }

    private string Now() => options.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static async Task<string> TextAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        return await reader.ReadToEndAsync(context.RequestAborted);
    }

    private static async Task<JsonObject> BodyAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var bytes = body.ToArray();
        return Protobuf.Is(bytes) ? Protobuf.Read(bytes) : Yaml.Object(Encoding.UTF8.GetString(bytes));
    }

    private Task AnswerObjectAsync(HttpContext context, Kind kind, JsonObject obj, int code = 200) =>
        AnswerAsync(context, Table.Wanted(context) ? Table.Of(kind, [obj], options.Time.GetUtcNow(), Table.Include(context)) : obj, code);

    private static async Task AnswerAsync(HttpContext context, JsonObject answer, int code = 200)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(answer.ToJsonString(), context.RequestAborted);
    }
}
