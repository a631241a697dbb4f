using System.Net.Mime;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudNative.CloudEvents;
using CloudNative.CloudEvents.Core;
using CloudNative.CloudEvents.Http;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Events;

/// <summary>Reads CloudEvents in every HTTP mode (CloudEvents HTTP binding 1.0, section 3), and EventBridge's structured events under application/json.</summary>
internal static class CloudEventReader
{
    public const int MaxBytes = 1024 * 1024;

    /// <summary>Data is a <see cref="JsonNode"/> when it is JSON.</summary>
    public static async Task<CloudEventRead> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength > MaxBytes || await BodyAsync(request.Body, cancellationToken) is not { } body)
        {
            return CloudEventRead.Refuse(413, $"the body is larger than {MaxBytes} bytes");
        }

        var type = request.ContentType ?? "";
        try
        {
            if (MimeUtilities.IsCloudEventsBatchContentType(type))
            {
                return StrictJson.Parse(body) is JsonArray array
                    ? CloudEventRead.Of([.. array.Select(Structured)])
                    : CloudEventRead.Refuse(400, "a batch is a JSON array");
            }

            if (MimeUtilities.IsCloudEventsContentType(type))
            {
                return type.Contains("json", StringComparison.OrdinalIgnoreCase)
                    ? CloudEventRead.Of([Structured(StrictJson.Parse(body))])
                    : CloudEventRead.Refuse(415, $"structured events are read as JSON, not as {type}");
            }

            if (request.Headers.ContainsKey("ce-specversion"))
            {
                return CloudEventRead.Of([Binary(request, type, body)]);
            }

            // EventBridge posts whole events as plain JSON.
            return IsJson(type) && StrictJson.Parse(body) is JsonObject json && json.ContainsKey("specversion")
                ? CloudEventRead.Of([Structured(json)])
                : CloudEventRead.Refuse(400, "this is not a CloudEvent: there is neither a ce-specversion header nor a CloudEvents content type");
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException or FormatException)
        {
            return CloudEventRead.Refuse(400, $"unreadable event: {e.Message}");
        }
    }

    private static CloudEvent Structured(JsonNode? node)
    {
        var json = node as JsonObject ?? throw new FormatException("an event is a JSON object");
        var result = NewEvent(Text(json["specversion"]));
        foreach (var (name, value) in json)
        {
            if (name is not ("specversion" or "data" or "data_base64") && value is not null)
            {
                Set(result, name, Text(value) ?? throw new FormatException($"the attribute {name} is not a simple value"));
            }
        }

        result.Data = json["data"]?.DeepClone()
            ?? (Text(json["data_base64"]) is { } base64 ? Data(result.DataContentType ?? "", Convert.FromBase64String(base64)) : null);
        return Validated(result);
    }

    private static CloudEvent Binary(HttpRequest request, string type, byte[] body)
    {
        var result = NewEvent(request.Headers["ce-specversion"].ToString());
        foreach (var (header, value) in request.Headers)
        {
            if (HttpUtilities.GetAttributeNameFromHeaderName(header) is { } name && name != "specversion")
            {
                Set(result, name, HttpUtilities.DecodeHeaderValue(value.ToString()));
            }
        }

        if (type.Length > 0)
        {
            result.DataContentType = type;
        }

        result.Data = Data(type, body);
        return Validated(result);
    }

    private static CloudEvent NewEvent(string? version) =>
        new(CloudEventsSpecVersion.FromVersionId(version) ?? throw new FormatException($"unknown specversion \"{version}\""));

    private static CloudEvent Validated(CloudEvent result) =>
        result.IsValid ? result : throw new FormatException("id, source and type are required");

    private static void Set(CloudEvent result, string name, string value)
    {
        try
        {
            result.SetAttributeFromString(name, value);
        }
        catch (ArgumentException) when (name == "time")
        {
            // Older OSS events carry times such as 2020-08-17T16:04:46.149Asia/Shanghai; we never order by it.
        }
    }

    private static object? Data(string type, byte[] body) =>
        body.Length == 0 ? null : IsJson(type) ? StrictJson.Parse(body) : body;

    private static string? Text(JsonNode? node) => node switch
    {
        null => null,
        JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
        JsonValue value => value.ToJsonString(),
        _ => null,
    };

    private static bool IsJson(string type)
    {
        try
        {
            var media = type.Length == 0 ? "application/json" : new ContentType(type).MediaType;
            return media.EndsWith("/json", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase);
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static async Task<byte[]?> BodyAsync(Stream body, CancellationToken cancellationToken)
    {
        using var copy = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (copy.Length + read > MaxBytes)
            {
                return null;
            }

            copy.Write(buffer, 0, read);
        }

        return copy.ToArray();
    }
}
