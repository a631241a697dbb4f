using System.Globalization;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>What is asked and not stored: access reviews and ServiceAccount tokens.</summary>
internal sealed class Reviews(ObjectStore store, Access access)
{
    /// <param name="self">The user of a SelfSubjectAccessReview; null when the review names one.</param>
    public JsonObject Review(User? self, User asking, JsonObject review)
    {
        var spec = review["spec"] as JsonObject ?? [];
        var about = self ?? Access.Named((string?)spec["user"] ?? "", (spec["groups"] as JsonArray ?? []).Select(g => (string)g!));
        if (self is null && !access.Allows(asking, new("create", "authorization.k8s.io", "subjectaccessreviews", null, null)))
        {
            throw new ApiFailure(403, "Forbidden", $"subjectaccessreviews.authorization.k8s.io is forbidden: User \"{asking.Name}\" cannot create resource \"subjectaccessreviews\"");
        }

        var asked = spec["resourceAttributes"] as JsonObject;
        string Of(string key) => (string?)asked?[key] ?? "";
        var resource = Of("subresource").Length > 0 ? $"{Of("resource")}/{Of("subresource")}" : Of("resource");
        var allowed = asked is null || access.Allows(about, new(Of("verb"), Of("group"), resource, Of("namespace") is { Length: > 0 } ns ? ns : null, Of("name") is { Length: > 0 } name ? name : null));
        review["apiVersion"] = "authorization.k8s.io/v1";
        review["kind"] = self is null ? "SubjectAccessReview" : "SelfSubjectAccessReview";
        review["status"] = new JsonObject { ["allowed"] = allowed };
        return review;
    }

    public JsonObject Token(Kind kind, string ns, string name, JsonObject request)
    {
        var account = store.Get(kind, ns, name) ?? throw ApiFailure.NotFound(kind, name);
        var (token, expires) = access.Issue(ns, name, (string)account["metadata"]!["uid"]!, request["spec"]?["expirationSeconds"]?.GetValue<long>() ?? 3600);
        request["apiVersion"] = "authentication.k8s.io/v1";
        request["kind"] = "TokenRequest";
        request["status"] = new JsonObject { ["token"] = token, ["expirationTimestamp"] = expires.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) };
        return request;
    }
}
