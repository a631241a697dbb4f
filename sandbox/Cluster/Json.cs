using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>Short ways through untyped objects.</summary>
internal static class Json
{
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var step in path)
        {
            node = (node as JsonObject)?[step];
        }

        return node;
    }

    public static string? Text(this JsonNode? node, params ReadOnlySpan<string> path) => node.At(path)?.ToString();

    public static int? Number(this JsonNode? node, params ReadOnlySpan<string> path) =>
        int.TryParse(node.Text(path), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;

    public static string Name(this JsonObject obj) => obj.Text("metadata", "name")!;

    public static string Namespace(this JsonObject obj) => obj.Text("metadata", "namespace") ?? "";

    public static bool Deleting(this JsonObject obj) => obj.At("metadata", "deletionTimestamp") is not null;

    public static IEnumerable<JsonObject> Objects(this JsonNode? node) => (node as JsonArray)?.OfType<JsonObject>() ?? [];

    public static string Stamp(this TimeProvider time) => time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static JsonArray Array(IEnumerable<JsonNode> items) => new([.. items]);

    public static JsonArray Owner(JsonObject owner) => Array([new JsonObject
    {
        ["apiVersion"] = owner.Text("apiVersion"), ["kind"] = owner.Text("kind"), ["name"] = owner.Name(), ["uid"] = owner.Text("metadata", "uid"),
        ["controller"] = true, ["blockOwnerDeletion"] = true,
    }]);

    /// <summary>A condition that keeps its lastTransitionTime as long as its status stays.</summary>
    public static JsonObject Condition(JsonNode? previous, TimeProvider time, string type, string status, string? reason = null, string? message = null)
    {
        var old = previous.Objects().FirstOrDefault(c => c.Text("type") == type);
        var condition = new JsonObject { ["type"] = type, ["status"] = status };
        if (reason is not null)
        {
            condition["reason"] = reason;
        }

        if (message is not null)
        {
            condition["message"] = message;
        }

        condition["lastTransitionTime"] = old.Text("status") == status && old.Text("reason") == reason ? old.Text("lastTransitionTime") ?? time.Stamp() : time.Stamp();
        return condition;
    }

    /// <summary>Writes <paramref name="status"/>'s members unless they already stand there.</summary>
    public static async Task SetStatusAsync(this IKubeApi api, ResourceType<JsonObject> type, JsonObject obj, JsonObject status, CancellationToken cancellationToken)
    {
        if (status.All(s => JsonNode.DeepEquals(obj.At("status", s.Key), s.Value)))
        {
            return;
        }

        await api.MergePatchAsync(type, type.Namespaced ? obj.Namespace() : null, obj.Name(), new JsonObject { ["status"] = status }.ToJsonString(), "status", cancellationToken);
    }

    public static async Task<JsonObject?> EnsureAsync(this IKubeApi api, ResourceType<JsonObject> type, JsonObject obj, CancellationToken cancellationToken)
    {
        var ns = type.Namespaced ? obj.Namespace() : null;
        if (await api.GetAsync(type, ns, obj.Name(), cancellationToken) is { } there)
        {
            return there;
        }

        obj["apiVersion"] = type.ApiVersion;
        obj["kind"] = type.Kind;
        try
        {
            return await api.CreateAsync(type, ns, obj, cancellationToken);
        }
        catch (KubeApiException e) when (e.StatusCode == HttpStatusCode.Conflict)
        {
            return await api.GetAsync(type, ns, obj.Name(), cancellationToken);
        }
    }

    public static Task FinalizersAsync(this IKubeApi api, ResourceType<JsonObject> type, JsonObject obj, string finalizer, bool present, CancellationToken cancellationToken)
    {
        var have = (obj.At("metadata", "finalizers") as JsonArray)?.Select(f => f!.ToString()).ToList() ?? [];
        if (have.Contains(finalizer) == present)
        {
            return Task.CompletedTask;
        }

        var want = present ? have.Append(finalizer) : have.Where(f => f != finalizer);
        var patch = new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Array(want.Select(f => (JsonNode)f)), ["resourceVersion"] = obj.Text("metadata", "resourceVersion") } };
        return api.MergePatchAsync(type, obj.Namespace(), obj.Name(), patch.ToJsonString(), null, cancellationToken);
    }
}
