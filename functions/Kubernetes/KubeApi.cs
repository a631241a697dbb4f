using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace Prewarm.Functions.Kubernetes;

/// <summary>
/// The API server over plain HTTP requests: the client package's own typed calls know only its own types under native AOT,
/// while ours bring their contract in <see cref="ResourceType{T}"/>.
/// </summary>
/// <param name="http">Its BaseAddress is the server; credentials and trust are its handlers' business.</param>
/// <param name="time">Bounds a watch whose connection went silent.</param>
internal sealed class KubeApi(HttpClient http, TimeProvider? time = null) : IKubeApi, IDisposable
{
    /// <summary>Objects per page; the size client-go uses.</summary>
    internal const int PageSize = 500;

    /// <summary>Asked-for length of one watch, seconds; below the 5 minutes after which load balancers commonly cut.</summary>
    internal const int WatchSeconds = 290;

    // A server that honours timeoutSeconds ends before this, so what reaches it is a half-open connection.
    private static readonly TimeSpan WatchLimit = TimeSpan.FromSeconds(WatchSeconds + 30);

    private const string JsonType = "application/json";
    private const string MergePatchType = "application/merge-patch+json";
    private const string ApplyPatchType = "application/apply-patch+yaml"; // JSON is YAML

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    public async Task<T?> GetAsync<T>(ResourceType<T> type, string? ns, string name, CancellationToken cancellationToken) where T : class
    {
        using var response = await SendAsync(HttpMethod.Get, type.Path(ns, name), null, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }

        return await ReadAsync(type, response, cancellationToken);
    }

    public async Task<KubeList<T>> ListAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, CancellationToken cancellationToken) where T : class
    {
        try
        {
            return await ListAsync(type, ns, labelSelector, PageSize, cancellationToken);
        }
        catch (KubeApiException e) when (e.IsGone)
        {
            // The snapshot behind the continue token was compacted between two pages. One unpaged answer cannot expire.
            return await ListAsync(type, ns, labelSelector, null, cancellationToken);
        }
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ResourceType<T> type, string? ns, string? labelSelector, string resourceVersion, [EnumeratorCancellation] CancellationToken cancellationToken) where T : class
    {
        var query = new StringBuilder("?watch=true&allowWatchBookmarks=true&timeoutSeconds=").Append(WatchSeconds);
        AppendQuery(query, "resourceVersion", resourceVersion);
        AppendQuery(query, "labelSelector", labelSelector);

        using var limit = new CancellationTokenSource(WatchLimit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        using var response = await SendAsync(HttpMethod.Get, type.Path(ns) + query, null, either.Token);
        await ThrowIfFailedAsync(response, either.Token);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(either.Token), Encoding.UTF8);
        while (true)
        {
            string? line;
            try
            {
                line = await lines.ReadLineAsync(either.Token);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new IOException($"The watch of {type.Plural} did not end by itself within {WatchLimit.TotalSeconds} s.", e);
            }

            if (line is null)
            {
                yield break;
            }

            if (line.Length > 0)
            {
                yield return ParseEvent(type, line);
            }
        }
    }

    public Task<T> ApplyAsync<T>(
        ResourceType<T> type, string? ns, string name, T desired, string fieldManager, bool force, string? subresource, CancellationToken cancellationToken) where T : class
    {
        var query = new StringBuilder();
        AppendQuery(query, "fieldManager", fieldManager);
        AppendQuery(query, "force", force ? "true" : "false");
        return WriteAsync(type, HttpMethod.Patch, type.Path(ns, name, subresource) + query, Body(type, desired, ApplyPatchType), cancellationToken);
    }

    public Task<T> CreateAsync<T>(ResourceType<T> type, string? ns, T obj, CancellationToken cancellationToken) where T : class =>
        WriteAsync(type, HttpMethod.Post, type.Path(ns), Body(type, obj, JsonType), cancellationToken);

    public Task<T> ReplaceAsync<T>(ResourceType<T> type, string? ns, string name, T obj, string? subresource, CancellationToken cancellationToken) where T : class =>
        WriteAsync(type, HttpMethod.Put, type.Path(ns, name, subresource), Body(type, obj, JsonType), cancellationToken);

    public Task<T> MergePatchAsync<T>(ResourceType<T> type, string? ns, string name, string patch, string? subresource, CancellationToken cancellationToken) where T : class =>
        WriteAsync(type, HttpMethod.Patch, type.Path(ns, name, subresource), Content(Encoding.UTF8.GetBytes(patch), MergePatchType), cancellationToken);

    public async Task<bool> DeleteAsync<T>(ResourceType<T> type, string? ns, string name, string? uid, bool now, CancellationToken cancellationToken) where T : class
    {
        var options = new DeleteOptions
        {
            PropagationPolicy = "Background",
            GracePeriodSeconds = now ? 0 : null,
            Preconditions = uid is null ? null : new Preconditions { Uid = uid },
        };
        var body = Content(JsonSerializer.SerializeToUtf8Bytes(options, KubernetesJsonContext.Default.DeleteOptions), JsonType);
        using var response = await SendAsync(HttpMethod.Delete, type.Path(ns, name), body, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            return false;
        }

        // The uid is the only precondition we send, so a conflict says that another object has taken the name.
        if (response.StatusCode == HttpStatusCode.Conflict && uid is not null)
        {
            return false;
        }

        await ThrowIfFailedAsync(response, cancellationToken);
        return true;
    }

    public void Dispose() => http.Dispose();

    private async Task<KubeList<T>> ListAsync<T>(
        ResourceType<T> type, string? ns, string? labelSelector, int? limit, CancellationToken cancellationToken) where T : class
    {
        var items = new List<T>();
        var resourceVersion = "";
        string? next = null;
        do
        {
            var query = new StringBuilder();
            AppendQuery(query, "limit", limit?.ToString(CultureInfo.InvariantCulture));
            AppendQuery(query, "labelSelector", labelSelector);
            AppendQuery(query, "continue", next);
            using var response = await SendAsync(HttpMethod.Get, type.Path(ns) + query, null, cancellationToken);
            await ThrowIfFailedAsync(response, cancellationToken);
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            var page = new ListPage<T>(type, items);
            await page.ReadAsync(stream, cancellationToken);
            resourceVersion = page.ResourceVersion ?? resourceVersion;
            next = page.Continue;
        }
        while (!string.IsNullOrEmpty(next));
        return new KubeList<T>(items, resourceVersion);
    }

    private async Task<T> WriteAsync<T>(
        ResourceType<T> type, HttpMethod method, string path, HttpContent body, CancellationToken cancellationToken) where T : class
    {
        using var response = await SendAsync(method, path, body, cancellationToken);
        return await ReadAsync(type, response, cancellationToken);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(path.TrimStart('/'), UriKind.Relative)) { Content = body };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(JsonType));
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // HttpClient.Timeout: the caller did not give up, so this must not look as if it did.
            throw new KubeApiException(HttpStatusCode.RequestTimeout, "Timeout", $"{method} {path}: no answer from the API server within {http.Timeout.TotalSeconds} s.");
        }
    }

    private static async Task<T> ReadAsync<T>(ResourceType<T> type, HttpResponseMessage response, CancellationToken cancellationToken) where T : class
    {
        await ThrowIfFailedAsync(response, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonSerializer.DeserializeAsync(stream, type.Json, cancellationToken)
            ?? throw new JsonException($"The API server answered null for a {type.Kind}.");
    }

    private static async Task ThrowIfFailedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        var status = ParseStatus(body);
        var retryAfter = response.Headers.RetryAfter?.Delta ?? Seconds(status?.Details?.RetryAfterSeconds);
        throw Failure(response.StatusCode, status, body, retryAfter);
    }

    private static WatchEvent<T> ParseEvent<T>(ResourceType<T> type, string line) where T : class
    {
        using var document = JsonDocument.Parse(line);
        var kind = Text(document.RootElement, "type");
        var obj = Child(document.RootElement, "object");
        if (kind == "ERROR")
        {
            var status = obj.ValueKind == JsonValueKind.Object ? obj.Deserialize(KubernetesJsonContext.Default.KubeStatus) : null;
            throw Failure((HttpStatusCode)(status?.Code ?? 500), status, line, Seconds(status?.Details?.RetryAfterSeconds));
        }

        var metadata = Child(obj, "metadata");
        var version = Text(metadata, "resourceVersion") ?? "";
        var parsed = kind switch
        {
            "ADDED" => WatchEventType.Added,
            "MODIFIED" => WatchEventType.Modified,
            "DELETED" => WatchEventType.Deleted,
            "BOOKMARK" => WatchEventType.Bookmark,
            _ => throw new JsonException($"Unknown watch event type '{kind}' for {type.Plural}."),
        };
        return parsed == WatchEventType.Bookmark
            ? new WatchEvent<T>(parsed, null, "", version, null)
            : new WatchEvent<T>(parsed, Text(metadata, "namespace"), Text(metadata, "name") ?? "", version, obj.Deserialize(type.Json));
    }

    private static KubeApiException Failure(HttpStatusCode code, KubeStatus? status, string body, TimeSpan? retryAfter)
    {
        // Proxies and meshes in between answer with their own pages; their first words are better than nothing.
        var message = status?.Message ?? (body.Length > 300 ? body[..300] : body);
        return new KubeApiException(code, status?.Reason ?? code.ToString(), message.Length > 0 ? message : $"The API server answered {(int)code}.", retryAfter);
    }

    private static KubeStatus? ParseStatus(string body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, KubernetesJsonContext.Default.KubeStatus);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ByteArrayContent Body<T>(ResourceType<T> type, T obj, string mediaType) where T : class =>
        Content(JsonSerializer.SerializeToUtf8Bytes(obj, type.Json), mediaType);

    private static ByteArrayContent Content(byte[] bytes, string mediaType)
    {
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        return content;
    }

    private static void AppendQuery(StringBuilder query, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            query.Append(query.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }
    }

    private static TimeSpan? Seconds(int? seconds) => seconds is > 0 ? TimeSpan.FromSeconds(seconds.Value) : null;

    private static JsonElement Child(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var child) ? child : default;

    private static string? Text(JsonElement element, string name) =>
        Child(element, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
}
