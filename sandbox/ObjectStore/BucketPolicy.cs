using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>
/// A bucket policy as far as the store's one account can feel it: statements with <c>Effect: Deny</c> for everybody. What they allow the owner has anyway,
/// and as at S3 the owner can always change the policy.
/// </summary>
internal sealed class BucketPolicy
{
    private readonly List<(Regex Action, Regex Resource)> _denied = [];

    private BucketPolicy(string text) => Text = text;

    public string Text { get; }

    /// <exception cref="S3Error">400 for what is no policy.</exception>
    public static async Task<BucketPolicy> ReadAsync(Blob body)
    {
        var text = new StringBuilder();
        await foreach (var run in body.RunsAsync(1 << 16))
        {
            text.Append(Encoding.UTF8.GetString(run.Span));
        }

        try
        {
            var policy = new BucketPolicy(text.ToString());
            foreach (var statement in List(JsonNode.Parse(policy.Text)?["Statement"]).OfType<JsonObject>().Where(s => (string?)s["Effect"] == "Deny" && Everybody(s["Principal"])))
            {
                policy._denied.AddRange(List(statement["Action"]).SelectMany(a => List(statement["Resource"]).Select(r => (Pattern(a), Pattern(r)))));
            }

            return policy;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new S3Error(400, "MalformedPolicy", "Policies must be valid JSON.");
        }
    }

    public bool Denies(string action, string bucket, string key) =>
        _denied.Exists(d => d.Action.IsMatch(action) && d.Resource.IsMatch($"arn:aws:s3:::{bucket}{(key.Length > 0 ? "/" + key : "")}"));

    /// <summary>The right that a request needs, by S3's names.</summary>
    public static string Action(HttpRequest request, string key) => (request.Method, key.Length > 0) switch
    {
        ("GET", false) when request.Query.ContainsKey("uploads") => "s3:ListBucketMultipartUploads",
        ("GET", false) when request.Query.ContainsKey("location") => "s3:GetBucketLocation",
        ("GET" or "HEAD", false) => "s3:ListBucket",
        ("GET", true) when request.Query.ContainsKey("uploadId") => "s3:ListMultipartUploadParts",
        ("GET" or "HEAD", true) => "s3:GetObject",
        ("DELETE", true) when request.Query.ContainsKey("uploadId") => "s3:AbortMultipartUpload",
        ("DELETE", _) => "s3:DeleteObject",
        _ => "s3:PutObject",
    };

    private static bool Everybody(JsonNode? principal) => List(principal is JsonObject by ? by["AWS"] : principal).Any(p => (string?)p == "*");

    private static IEnumerable<JsonNode> List(JsonNode? node) => node switch { null => [], JsonArray array => array.OfType<JsonNode>(), _ => [node] };

    private static Regex Pattern(JsonNode node) =>
        new($"^{Regex.Escape((string)node!).Replace("\\*", ".*", StringComparison.Ordinal)}$", RegexOptions.Singleline | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
}
