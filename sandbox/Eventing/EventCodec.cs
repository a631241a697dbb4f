using System.Collections.Immutable;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using CloudNative.CloudEvents.Http;

namespace Prewarm.Sandbox.Eventing;

/// <summary>What an HTTP message carries: an event, none at all, or one that cannot be read (then with the reason).</summary>
internal readonly record struct EventRead(EventMessage? Message, string? Malformed)
{
    public static readonly EventRead None;
}

/// <summary>CloudEvents on HTTP (HTTP binding 1.0, sections 3.1 and 3.2): binary and structured are read, binary is written. Batches are no events here, as in Knative's brokers.</summary>
internal static class EventCodec
{
    private const string Prefix = "ce-";

    public static EventRead Read(IEnumerable<KeyValuePair<string, string>> headers, string? contentType, byte[] body)
    {
        var all = headers.ToList();
        var passed = all.Where(h => EventHeaders.PassesOn(h.Key)).Aggregate(EventHeaders.None, (sum, h) => sum.SetItem(h.Key, h.Value));
        if (contentType?.StartsWith("application/cloudevents+json", StringComparison.OrdinalIgnoreCase) == true)
        {
            return Structured(body, passed);
        }

        return all.Any(h => h.Key.Equals("ce-specversion", StringComparison.OrdinalIgnoreCase)) ? Binary(all, contentType, body, passed) : EventRead.None;
    }

    /// <summary>A POST in binary mode.</summary>
    public static HttpRequestMessage Request(EventMessage message, Uri target)
    {
        var content = new ReadOnlyMemoryContent(message.Data);
        var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = content };
        foreach (var (name, value) in message.Attributes)
        {
            if (name == "datacontenttype")
            {
                content.Headers.TryAddWithoutValidation("Content-Type", value);
            }
            else
            {
                request.Headers.TryAddWithoutValidation(Prefix + name, HttpUtilities.EncodeHeaderValue(value));
            }
        }

        foreach (var (name, value) in EventHeaders.NextHop(message))
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    private static EventRead Binary(List<KeyValuePair<string, string>> headers, string? contentType, byte[] body, ImmutableDictionary<string, string> passed)
    {
        var attributes = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in headers)
        {
            if (name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            {
                attributes[name[Prefix.Length..].ToLowerInvariant()] = HttpUtilities.DecodeHeaderValue(value);
            }
        }

        if (!string.IsNullOrEmpty(contentType))
        {
            attributes["datacontenttype"] = contentType;
        }

        return Checked(new(attributes.ToImmutable(), body, passed));
    }

    private static EventRead Structured(byte[] body, ImmutableDictionary<string, string> passed)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
            {
                return new(null, "an event is a JSON object");
            }

            var attributes = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
            JsonElement? data = null;
            byte[]? bytes = null;
            foreach (var member in json.RootElement.EnumerateObject())
            {
                switch (member.Name)
                {
                    case "data":
                        data = member.Value;
                        break;
                    case "data_base64":
                        bytes = member.Value.GetBytesFromBase64();
                        break;
                    case var _ when member.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array:
                        return new(null, $"the attribute {member.Name} is not a simple value");
                    case var _ when member.Value.ValueKind != JsonValueKind.Null:
                        attributes[member.Name] = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText();
                        break;
                }
            }

            if (bytes is null && data is { } value)
            {
                var type = attributes.TryGetValue("datacontenttype", out var given) ? given : attributes["datacontenttype"] = "application/json";
                bytes = Encoding.UTF8.GetBytes(value.ValueKind == JsonValueKind.String && !IsJson(type) ? value.GetString()! : value.GetRawText());
            }

            return Checked(new(attributes.ToImmutable(), bytes ?? [], passed));
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            return new(null, e.Message);
        }
    }

    private static EventRead Checked(EventMessage message)
    {
        if (message.Attributes.GetValueOrDefault("specversion") is not ("1.0" or "0.3"))
        {
            return new(null, "specversion is neither 1.0 nor 0.3");
        }

        foreach (var required in (string[])["id", "source", "type"])
        {
            if (string.IsNullOrEmpty(message.Attributes.GetValueOrDefault(required)))
            {
                return new(null, $"{required} is missing");
            }
        }

        return message.Attributes.Keys.FirstOrDefault(k => !k.All(char.IsAsciiLetterOrDigit)) is { } bad
            ? new(null, $"'{bad}' is no attribute name") : new(message, null);
    }

    private static bool IsJson(string type) =>
        MediaTypeHeaderValue.TryParse(type, out var media) && media.MediaType is { } name
        && (name.EndsWith("/json", StringComparison.OrdinalIgnoreCase) || name.EndsWith("+json", StringComparison.OrdinalIgnoreCase));
}
