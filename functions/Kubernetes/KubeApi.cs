using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Prewarm.Functions.Kubernetes;

/// <summary>
/// <see cref="IKubeApi"/> over plain requests with source-generated JSON: the client package's typed custom-object calls do not work under native AOT.
/// </summary>
/// <param name="http">Has the API server as BaseAddress and authenticates by itself (see <see cref="KubeApiFactory"/>).</param>
internal sealed class KubeApi(HttpClient http) : IKubeApi
{
    private const int PageSize = 500;
    private const string ApplyPatch = "application/apply-patch+yaml";

    public async Task<T?> GetAsync<T>(ResourceType<T> type, string? ns, string name, CancellationToken cancellationToken) where T : class
    {
        try
        {
            return await SendAsync(HttpMethod.Get, type.Path(ns, name), null, null, type.Json, cancellationToken);
        }
        catch (KubeApiException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    public async Task<KubeList<T>> ListAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, CancellationToken cancellationToken) where T : class
    {
        var items = new List<T>();
        string? token = null;
        do
        {
            var query = $"?limit={PageSize}{Selector(labelSelector)}{(token is null ? "" : "&continue=" + Uri.EscapeDataString(token))}";
            using var response = await SendAsync(HttpMethod.Get, type.Path(ns) + query, null, null, cancellationToken);
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            using var document = await JsonDocument.ParseAsync(stream, default, cancellationToken);
            if (document.RootElement.TryGetProperty("items", out var page) && page.ValueKind == JsonValueKind.Array)
            {
                foreach (var item in page.EnumerateArray())
                {
                    items.Add(item.Deserialize(type.Json)!);
                }
            }

            var meta = document.RootElement.GetProperty("metadata");
            token = Text(meta, "continue");
            if (string.IsNullOrEmpty(token))
            {
                return new(items, Text(meta, "resourceVersion") ?? "");
            }
        }
        while (true);
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, string resourceVersion,
        [EnumeratorCancellation] CancellationToken cancellationToken) where T : class
    {
        var query = $"?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={Uri.EscapeDataString(resourceVersion)}{Selector(labelSelector)}";
        using var response = await SendAsync(HttpMethod.Get, type.Path(ns) + query, null, null, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length > 0)
            {
                yield return Parse(line, type);
            }
        }
    }

    public Task<T> ApplyAsync<T>(ResourceType<T> type, string? ns, string name, T desired, string fieldManager, bool force, string? subresource, CancellationToken cancellationToken) where T : class =>
        SendAsync(HttpMethod.Patch, $"{type.Path(ns, name, subresource)}?fieldManager={Uri.EscapeDataString(fieldManager)}{(force ? "&force=true" : "")}",
            JsonSerializer.SerializeToUtf8Bytes(desired, type.Json), ApplyPatch, type.Json, cancellationToken);

    public Task<T> CreateAsync<T>(ResourceType<T> type, string? ns, T obj, CancellationToken cancellationToken) where T : class =>
        SendAsync(HttpMethod.Post, type.Path(ns), JsonSerializer.SerializeToUtf8Bytes(obj, type.Json), "application/json", type.Json, cancellationToken);

    public Task<T> ReplaceAsync<T>(ResourceType<T> type, string? ns, string name, T obj, string? subresource, CancellationToken cancellationToken) where T : class =>
        SendAsync(HttpMethod.Put, type.Path(ns, name, subresource), JsonSerializer.SerializeToUtf8Bytes(obj, type.Json), "application/json", type.Json, cancellationToken);

    public Task<T> MergePatchAsync<T>(ResourceType<T> type, string? ns, string name, string patch, string? subresource, CancellationToken cancellationToken) where T : class =>
        SendAsync(HttpMethod.Patch, type.Path(ns, name, subresource), Encoding.UTF8.GetBytes(patch), "application/merge-patch+json", type.Json, cancellationToken);

    public async Task<bool> DeleteAsync<T>(ResourceType<T> type, string? ns, string name, string? uid, bool now, CancellationToken cancellationToken) where T : class
    {
        var options = new DeleteOptions { GracePeriodSeconds = now ? 0 : null, Preconditions = uid is null ? null : new() { Uid = uid } };
        try
        {
            using var response = await SendAsync(HttpMethod.Delete, type.Path(ns, name),
                JsonSerializer.SerializeToUtf8Bytes(options, KubernetesJsonContext.Default.DeleteOptions), "application/json", cancellationToken);
            return true;
        }
        catch (KubeApiException e) when (e.IsNotFound)
        {
            return false;
        }
    }

    private static WatchEvent<T> Parse<T>(string line, ResourceType<T> type) where T : class
    {
        using var document = JsonDocument.Parse(line);
        var obj = document.RootElement.GetProperty("object");
        var kind = document.RootElement.GetProperty("type").GetString();
        if (kind == "ERROR")
        {
            throw Failure(obj.Deserialize(KubernetesJsonContext.Default.KubeStatus), 500, null);
        }

        var meta = obj.GetProperty("metadata");
        var version = Text(meta, "resourceVersion") ?? "";
        return kind == "BOOKMARK"
            ? new(WatchEventType.Bookmark, null, "", version, null)
            : new(kind switch { "ADDED" => WatchEventType.Added, "DELETED" => WatchEventType.Deleted, _ => WatchEventType.Modified },
                Text(meta, "namespace"), Text(meta, "name") ?? "", version, obj.Deserialize(type.Json));
    }

    private async Task<T> SendAsync<T>(HttpMethod method, string path, byte[]? body, string? contentType, JsonTypeInfo<T> json, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(method, path, body, contentType, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonSerializer.DeserializeAsync(stream, json, cancellationToken) ?? throw new InvalidDataException($"{method} {path} answered null");
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, byte[]? body, string? contentType, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType!);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            KubeStatus? status = null;
            try
            {
                await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
                status = await JsonSerializer.DeserializeAsync(stream, KubernetesJsonContext.Default.KubeStatus, cancellationToken);
            }
            catch (JsonException)
            {
                // A proxy in between does not speak Status: the code alone must do.
            }

            throw Failure(status, (int)response.StatusCode, response.Headers.RetryAfter?.Delta, $"{method} {path}");
        }
    }

    private static KubeApiException Failure(KubeStatus? status, int code, TimeSpan? retryAfter, string? what = null)
    {
        var statusCode = (System.Net.HttpStatusCode)(status?.Code ?? code);
        return new(statusCode, status?.Reason ?? "", status?.Message ?? $"{what} answered {(int)statusCode}", retryAfter);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string Selector(string? labelSelector) => labelSelector is null ? "" : "&labelSelector=" + Uri.EscapeDataString(labelSelector);
}
