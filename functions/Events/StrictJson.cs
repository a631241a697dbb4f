using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Prewarm.Functions.Events;

/// <summary>
/// JSON that others wrote, read so that nothing in it can throw later: a <see cref="JsonNode"/> made the usual way finds a name that comes twice,
/// half a surrogate pair or bytes that are no UTF-8 only when somebody looks there.
/// </summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Unique = new() { AllowDuplicateProperties = false };

    /// <exception cref="JsonException">The text is no JSON (RFC 8259), is nested deeper than 64, has a name twice in one object, or holds text that is no Unicode.</exception>
    public static JsonNode? Parse(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                {
                    _ = reader.GetString();
                }
            }
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException($"the text at byte {reader.TokenStartIndex} is no Unicode", e);
        }

        return JsonNode.Parse(utf8, null, Unique);
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{byte})"/>
    public static JsonNode? Parse(string text) => Parse(Encoding.UTF8.GetBytes(text));
}
