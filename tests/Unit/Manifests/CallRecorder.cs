using System.Net;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Which rights a client's requests need, as the API server reads a request.</summary>
internal sealed class CallRecorder(HttpClient inner) : HttpMessageHandler
{
    private readonly Lock _lock = new();

    public Uri Server => inner.BaseAddress!;

    /// <summary><c>verb group/resource namespace</c>, each once; the place of what has no namespace is <c>*</c>.</summary>
    public SortedSet<string> Used { get; } = new(StringComparer.Ordinal);

    public List<string> Refused { get; } = [];

    public bool Has(string prefix)
    {
        lock (_lock)
        {
            return Used.Any(u => u.StartsWith(prefix, StringComparison.Ordinal));
        }
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // A message can be sent once: the inner client gets a copy.
        var copy = new HttpRequestMessage(request.Method, request.RequestUri) { Content = request.Content };
        foreach (var header in request.Headers)
        {
            copy.Headers.TryAddWithoutValidation(header.Key, header.Value);
        }

        var answer = await inner.SendAsync(copy, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        lock (_lock)
        {
            Note(request, answer.StatusCode);
        }

        return answer;
    }

    protected override void Dispose(bool disposing)
    {
        inner.Dispose();
        base.Dispose(disposing);
    }

    private void Note(HttpRequestMessage request, HttpStatusCode status)
    {
        var path = request.RequestUri!.IsAbsoluteUri ? request.RequestUri.AbsolutePath : request.RequestUri.OriginalString.Split('?')[0];
        var query = request.RequestUri.OriginalString.Split('?').ElementAtOrDefault(1) ?? "";
        var parts = path.Trim('/').Split('/');
        var group = parts[0] == "api" ? "" : parts[1];
        var rest = parts[(parts[0] == "api" ? 2 : 3)..];
        var ns = "*";
        if (rest is ["namespaces", var named, _, ..])
        {
            (ns, rest) = (named, rest[2..]);
        }

        var verb = request.Method.Method switch
        {
            "GET" when rest.Length > 1 => "get",
            "GET" when query.Contains("watch=true", StringComparison.Ordinal) => "watch",
            "GET" => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" when rest.Length > 1 => "delete",
            _ => "deletecollection",
        };
        var resource = $"{group}/{rest[0]}{(rest.Length > 2 ? "/" + rest[2] : "")} {ns}";
        Used.Add($"{verb} {resource}");
        if (verb == "patch" && status == HttpStatusCode.Created)
        {
            // Server-side apply of what is not there yet: the real API server asks for both.
            Used.Add($"create {resource}");
        }

        if (status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            Refused.Add($"{verb} {resource}");
        }
    }
}
