using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>
/// What the Functions host posts to <c>/FUNCTION</c> instead of forwarding a request (Azure Functions custom handlers, "Request payload"): a timer's or another trigger's data, or an HTTP request where
/// <c>enableForwardingHttpRequest</c> is off. 1. The payload becomes the request that the function takes; 2. its answer becomes the host's.
/// </summary>
internal static class TriggerPayload
{
    private const string EventsJson = "application/cloudevents+json";

    /// <summary>1. Makes the request of <paramref name="http"/> the one that the payload tells of.</summary>
    /// <param name="requestName">Name of the function's HTTP binding. Data without it are of another trigger, and reach the function as a CloudEvent.</param>
    /// <returns>True for an HTTP request.</returns>
    /// <exception cref="BadHttpRequestException">It is no such payload.</exception>
    public static async Task<bool> ReadAsync(HttpContext http, string function, string requestName)
    {
        try
        {
            using var payload = await JsonDocument.ParseAsync(http.Request.Body, cancellationToken: http.RequestAborted);
            if (payload.RootElement.ValueKind != JsonValueKind.Object || Member(payload.RootElement, "Data") is not { ValueKind: JsonValueKind.Object } data)
            {
                throw new BadHttpRequestException("the payload of a custom handler has a member Data");
            }

            if (Member(data, requestName) is { ValueKind: JsonValueKind.Object } request && Member(request, "Method") is not null)
            {
                Become(http, request);
                return true;
            }

            http.Items[FunctionContextHttpExtensions.TriggerKey] = true;
            Put(http, HttpMethods.Post, EventsJson, Event(function, data, Member(payload.RootElement, "Metadata") is { } metadata ? Member(metadata, "sys") : null));
            return false;
        }
        catch (JsonException e)
        {
            throw new BadHttpRequestException("the payload of a custom handler is JSON", e);
        }
    }

    /// <summary>2. Writes what the host expects; <paramref name="body"/> is what the function wrote.</summary>
    /// <param name="request">The trigger was HTTP: the answer is the output of its binding. Otherwise a status from 400 on is left as it is, because only that makes the host see a failure.</param>
    public static async Task WriteAsync(HttpContext http, MemoryStream body, bool request)
    {
        var response = http.Response;
        if (!request && response.StatusCode >= 400)
        {
            await response.Body.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length), http.RequestAborted);
            return;
        }

        var (status, headers) = (response.StatusCode, response.Headers.ToList());
        response.Clear();
        response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(response.Body);
        json.WriteStartObject();
        json.WriteStartObject("Outputs");
        if (request)
        {
            json.WriteStartObject("res");
            json.WriteNumber("statusCode", status);
            json.WriteStartObject("headers");
            foreach (var (name, value) in headers)
            {
                json.WriteString(name, value.ToString());
            }

            json.WriteEndObject();
            json.WriteString("body", Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length));
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartArray("Logs");
        json.WriteEndArray();
        json.WriteNull("ReturnValue");
        json.WriteEndObject();
        await json.FlushAsync(http.RequestAborted);
    }

    private static void Become(HttpContext http, JsonElement from)
    {
        // Those of the host's own message; what it tells of the caller's comes in their place.
        http.Request.Headers.Clear();
        foreach (var header in Members(from, "Headers"))
        {
            http.Request.Headers[header.Name] = header.Value.ValueKind == JsonValueKind.Array ? header.Value.EnumerateArray().Select(v => v.ToString()).ToArray() : header.Value.ToString();
        }

        if (Uri.TryCreate(Member(from, "Url")?.ToString(), UriKind.Absolute, out var url))
        {
            (http.Request.Path, http.Request.QueryString) = (PathString.FromUriComponent(url), QueryString.FromUriComponent(url));
        }

        foreach (var value in Members(from, "Params"))
        {
            http.Request.RouteValues[value.Name] = value.Value.ToString();
        }

        var type = http.Request.Headers.ContentType.ToString();
        var text = Member(from, "Body") is { ValueKind: not JsonValueKind.Null } body ? body.ToString() : "";
        // These two the host encodes.
        var binary = type.StartsWith("application/octet-stream", StringComparison.OrdinalIgnoreCase) || type.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase);
        byte[] bytes;
        try
        {
            bytes = binary ? Convert.FromBase64String(text) : Encoding.UTF8.GetBytes(text);
        }
        catch (FormatException e)
        {
            throw new BadHttpRequestException("a binary body of a custom handler's payload is Base64", e);
        }

        Put(http, Member(from, "Method")!.ToString()!, type, bytes);
    }

    /// <summary>A trigger that is no request, as a CloudEvent in structured mode: whoever takes events takes it.</summary>
    private static byte[] Event(string function, JsonElement data, JsonElement? sys)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("specversion", "1.0");
            json.WriteString("id", Sys("RandGuid") is { Length: > 0 } id ? id : Guid.NewGuid().ToString());
            json.WriteString("source", $"/azure-functions/{function}");
            json.WriteString("type", "dev.prewarm.functions.triggered");
            if (DateTimeOffset.TryParse(Sys("UtcNow"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            {
                json.WriteString("time", time);
            }

            json.WriteString("datacontenttype", "application/json");
            json.WritePropertyName("data");
            data.WriteTo(json);
            json.WriteEndObject();
        }

        return buffer.ToArray();

        string? Sys(string name) => sys is { } element ? Member(element, name)?.ToString() : null;
    }

    private static void Put(HttpContext http, string method, string type, byte[] body)
    {
        http.Request.Method = method;
        http.Request.ContentType = type.Length == 0 ? null : type;
        http.Request.ContentLength = body.Length;
        http.Request.Headers.TransferEncoding = default;
        http.Request.Body = new MemoryStream(body, writable: false);
    }

    private static JsonElement? Member(JsonElement element, string name) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : null;

    private static IEnumerable<JsonProperty> Members(JsonElement element, string name) => Member(element, name) is { ValueKind: JsonValueKind.Object } members ? members.EnumerateObject() : [];
}
