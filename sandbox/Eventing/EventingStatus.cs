using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>One condition that Ready is made of.</summary>
internal sealed record Part(string Type, string Status, string? Reason = null, string? Message = null)
{
    public static Part True(string type, string? reason = null, string? message = null) => new(type, "True", reason, message);

    public static Part False(string type, string reason, string message) => new(type, "False", reason, message);

    public static Part Unknown(string type, string reason, string message) => new(type, "Unknown", reason, message);
}

/// <summary>Statuses as Knative's living condition sets write them: sorted by type, Ready with the reason of the first that is not True.</summary>
internal static class EventingStatus
{
    public static readonly Part NoIdentity = Part.True("OIDCIdentityCreated", "authentication-oidc feature disabled", "");

    /// <returns>True when it is ready.</returns>
    public static async Task<bool> WriteAsync(
        this IKubeApi api, ResourceType<JsonObject> type, JsonObject obj, TimeProvider time, JsonObject members, IReadOnlyList<Part> parts, CancellationToken cancellationToken)
    {
        var worst = parts.FirstOrDefault(p => p.Status == "False") ?? parts.FirstOrDefault(p => p.Status != "True");
        var ready = worst is null ? Part.True("Ready") : worst with { Type = "Ready" };
        var before = obj.At("status", "conditions");
        members["conditions"] = Json.Array(parts.Append(ready).OrderBy(p => p.Type, StringComparer.Ordinal)
            .Select(p => Json.Condition(before, time, p.Type, p.Status, p.Reason, p.Message)));
        members["observedGeneration"] = obj.At("metadata", "generation")?.DeepClone();
        await api.SetStatusAsync(type, obj, members, cancellationToken);
        return worst is null;
    }
}
