using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>
/// One request: 1. who asks, 2. what the path means, 3. may they, 4. the verb.
/// </summary>
internal sealed class Requests(ObjectStore store, Registry registry, Access access, Writer writer, Deletions deletions, ApiServerOptions options) : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Reviews _reviews = new(store, access);
    private readonly Binding _binding = new(writer, options.Time);

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
            await Answers.SendAsync(context, failure.Status(), failure.Code);
        }
        catch (Exception e) when (e is OperationCanceledException || context.RequestAborted.IsCancellationRequested)
        {
            // The caller went away, or the server stops: nobody reads an answer.
        }
        catch (Exception e) when (!context.Response.HasStarted && e is JsonException or InvalidOperationException or FormatException or NullReferenceException or ArgumentException or YamlDotNet.Core.YamlException)
        {
            await Answers.SendAsync(context, ApiFailure.BadRequest("the request could not be understood: " + e.Message).Status(), 400);
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await Answers.SendAsync(context, new ApiFailure(500, "InternalError", $"Internal error occurred: {e.Message}").Status(), 500);
        }
    }

    private async Task RouteAsync(HttpContext context)
    {
        // 1
        var path = context.Request.Path.Value!.Trim('/').Split('/', StringSplitOptions.RemoveEmptyEntries);
        var user = access.Authenticate(context.Request) ?? throw new ApiFailure(401, "Unauthorized", "Unauthorized");
        if (path is ["healthz" or "readyz" or "livez", ..])
        {
            await context.Response.WriteAsync("ok", context.RequestAborted);
            return;
        }

        if (path is ["version"])
        {
            await Answers.SendAsync(context, Discovery.Version());
            return;
        }

        if (user.Name == "system:anonymous")
        {
            throw new ApiFailure(403, "Forbidden", $"forbidden: User \"system:anonymous\" cannot {context.Request.Method.ToLowerInvariant()} path \"{context.Request.Path}\"");
        }

        if (Discovery.Answer(path, registry.Kinds) is { } document)
        {
            await Answers.SendAsync(context, document);
            return;
        }

        if (path is ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews" or "subjectaccessreviews"] && HttpMethods.IsPost(context.Request.Method))
        {
            var self = path[3] == "selfsubjectaccessreviews";
            await Answers.SendAsync(context, _reviews.Review(self ? user : null, user, await Answers.BodyAsync(context)), 201);
            return;
        }

        // 2
        var (group, version, rest) = path switch
        {
            ["api", var v, .. var r] => ("", v, r),
            ["apis", var g, var v, .. var r] => (g, v, r),
            _ => throw ApiFailure.NoSuchPath(),
        };
        string? ns = null;
        if (rest is ["namespaces", var n, _, ..] && !(rest.Length == 3 && rest[2] is "status" or "finalize"))
        {
            (ns, rest) = (n, rest[2..]);
        }

        var kind = rest.Length > 0 ? registry.Find(group, version, rest[0]) : null;
        if (kind is null || rest.Length > 3)
        {
            throw ApiFailure.NoSuchPath();
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
            _ => throw ApiFailure.NoSuchMethod(),
        };

        // 3
        var question = new Question(verb, group, sub.Length == 0 ? kind.Plural : $"{kind.Plural}/{sub}", kind.Plural == "namespaces" ? name : ns, name);
        if (!access.Allows(user, question))
        {
            throw ApiFailure.Forbidden(kind, user, question, ns);
        }

        await (options.Faults?.StrikeAsync(context, user, verb) ?? Task.CompletedTask);
        using var limit = watch ? options.Faults?.Limit(context, user) : null;
        if (sub == "token" && kind.Plural == "serviceaccounts" && verb == "create")
        {
            await Answers.SendAsync(context, _reviews.Token(kind, ns!, name!, await Answers.BodyAsync(context)), 201);
            return;
        }

        if (sub == "binding" && kind is { Group: "", Plural: "pods" } && verb == "create")
        {
            await Answers.SendAsync(context, _binding.Bind(kind, ns!, name!, await Answers.BodyAsync(context)), 201);
            return;
        }

        if (sub.Length > 0 && !(sub == "status" && kind.HasStatus))
        {
            throw ApiFailure.NoSuchPath();
        }

        if (verb is "create" or "update" or "patch" or "delete")
        {
            options.Faults?.Follow(context, user, () => name is null ? null : (string?)store.Get(kind, ns, name)?["metadata"]?["resourceVersion"]);
        }

        // 4
        var manager = (string?)query["fieldManager"] ?? context.Request.Headers.UserAgent.ToString().Split('/')[0];
        var call = new Call(context, kind, ns, name, sub, new(manager.Length == 0 ? "unknown" : manager, (string?)query["fieldValidation"] == "Strict", query.ContainsKey("dryRun")));
        await (verb switch
        {
            "get" => SendAsync(call, store.Get(kind, ns, name!) ?? throw ApiFailure.NotFound(kind, name!)),
            "list" => Lists.AnswerAsync(call, store, options.Time),
            "watch" => Watches.AnswerAsync(call, store, options, _stopping.Token),
            "create" when name is null => CreateAsync(call),
            "update" => ReplaceAsync(call),
            "patch" => PatchAsync(call),
            "delete" or "deletecollection" => deletions.AnswerAsync(call),
            _ => throw ApiFailure.NoSuchMethod(),
        });
    }

    private async Task CreateAsync(Call call)
    {
        var created = writer.Create(call.Kind, call.Namespace, await Answers.BodyAsync(call.Http), call.Options);
        await SendAsync(call, created, 201);
    }

    private async Task ReplaceAsync(Call call)
    {
        var replacement = await Answers.BodyAsync(call.Http);
        if (call.Kind.NeedsVersion && string.IsNullOrEmpty((string?)replacement["metadata"]?["resourceVersion"]) && store.Get(call.Kind, call.Namespace, call.Name!) is not null)
        {
            throw ApiFailure.Invalid(call.Kind, call.Name!, ["metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"]);
        }

        await SendAsync(call, writer.Change(call.Kind, call.Namespace, call.Name!, call.Subresource, call.Options, _ => replacement));
    }

    private async Task PatchAsync(Call call)
    {
        var type = (call.Http.Request.ContentType ?? "").Split(';')[0].Trim();
        var text = await Answers.TextAsync(call.Http);
        JsonObject Change(Func<JsonObject, JsonObject> change) => writer.Change(call.Kind, call.Namespace, call.Name!, call.Subresource, call.Options, change);
        switch (type)
        {
            case "application/apply-patch+yaml":
                if (!call.Query.ContainsKey("fieldManager"))
                {
                    throw ApiFailure.Invalid(call.Kind, call.Name!, ["fieldManager: Required value: is required for apply patch"]);
                }

                var (applied, created) = writer.Apply(call.Kind, call.Namespace, call.Name!, call.Subresource, Yaml.Object(text), call.Flag("force"), call.Options);
                await SendAsync(call, applied, created ? 201 : 200);
                break;
            case "application/merge-patch+json":
                var merge = Yaml.Object(text);
                await SendAsync(call, Change(o => Patches.Merge(o, merge)!.AsObject()));
                break;
            case "application/strategic-merge-patch+json" when !call.Kind.Custom:
                var strategic = Yaml.Object(text);
                await SendAsync(call, Change(o => StrategicMerge.Apply(o, strategic)!.AsObject()));
                break;
            case "application/json-patch+json":
                var steps = JsonNode.Parse(text)!.AsArray();
                await SendAsync(call, Change(o =>
                {
                    Patches.Json(o, steps);
                    return o;
                }));
                break;
            default:
                throw new ApiFailure(415, "UnsupportedMediaType",
                    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
        }
    }

    private Task SendAsync(Call call, JsonObject obj, int code = 200) => Answers.SendAsync(call, obj, options.Time.GetUtcNow(), code);
}
