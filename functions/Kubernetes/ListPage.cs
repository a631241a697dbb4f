using System.Buffers;
using System.Text.Json;

namespace Prewarm.Functions.Kubernetes;

/// <summary>
/// Reads one page of a list as it comes, an object at a time: a document of the whole page would be several times its text, and a process that watches eight kinds reads as many at its start.
/// </summary>
/// <param name="type">What the list holds.</param>
/// <param name="items">Where its objects go.</param>
internal sealed class ListPage<T>(ResourceType<T> type, List<T> items)
    where T : class
{
    private const int Piece = 32 * 1024;

    private JsonReaderState _state;
    private bool _inItems;

    public string? ResourceVersion { get; private set; }

    /// <summary>The token for the next page; null or empty: this is the last.</summary>
    public string? Continue { get; private set; }

    /// <exception cref="JsonException">It is no list, or breaks off.</exception>
    public async Task ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Piece);
        try
        {
            for (var filled = 0; ;)
            {
                if (filled == buffer.Length)
                {
                    // An object larger than the buffer.
                    var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                    buffer.CopyTo(larger, 0);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                var read = await stream.ReadAsync(buffer.AsMemory(filled), cancellationToken);
                filled += read;
                var taken = Take(buffer.AsSpan(0, filled), last: read == 0);
                if (read == 0)
                {
                    return;
                }

                buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
                filled -= taken;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Takes what is whole; returns how many bytes that was.</summary>
    private int Take(ReadOnlySpan<byte> data, bool last)
    {
        var reader = new Utf8JsonReader(data, last, _state);
        var whole = reader;
        while (Step(ref reader, data))
        {
            whole = reader;
        }

        _state = whole.CurrentState;
        return (int)whole.BytesConsumed;
    }

    /// <summary>One object of the list, or one member beside it; false: it is not whole yet, or nothing comes any more.</summary>
    private bool Step(ref Utf8JsonReader reader, ReadOnlySpan<byte> data)
    {
        if (!reader.Read())
        {
            return false;
        }

        if (_inItems && reader.TokenType == JsonTokenType.EndArray)
        {
            _inItems = false;
            return true;
        }

        if (_inItems)
        {
            return Value(ref reader, data, out var item) && Add(item);
        }

        if (reader.TokenType != JsonTokenType.PropertyName)
        {
            return reader.TokenType is JsonTokenType.StartObject or JsonTokenType.EndObject ? true : throw new JsonException($"A list of {type.Plural} is no JSON object.");
        }

        var (isItems, isMetadata) = (reader.ValueTextEquals("items"u8), reader.ValueTextEquals("metadata"u8));
        if (!reader.Read())
        {
            return false;
        }

        if (isItems && reader.TokenType == JsonTokenType.StartArray)
        {
            return _inItems = true;
        }

        return Value(ref reader, data, out var member) && (!isMetadata || Describe(member));
    }

    private static bool Value(ref Utf8JsonReader reader, ReadOnlySpan<byte> data, out ReadOnlySpan<byte> value)
    {
        var start = (int)reader.TokenStartIndex;
        var whole = reader.TrySkip();
        value = whole ? data[start..(int)reader.BytesConsumed] : default;
        return whole;
    }

    private bool Add(ReadOnlySpan<byte> item)
    {
        items.Add(JsonSerializer.Deserialize(item, type.Json) ?? throw new JsonException($"A list of {type.Plural} holds a null."));
        return true;
    }

    private bool Describe(ReadOnlySpan<byte> metadata)
    {
        using var document = JsonDocument.Parse(metadata.ToArray());
        ResourceVersion = Text(document.RootElement, "resourceVersion");
        Continue = Text(document.RootElement, "continue");
        return true;
    }

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
