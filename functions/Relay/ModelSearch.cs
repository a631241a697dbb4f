using System.Text.Json;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Looks for the member "model" of the outermost object in a JSON text that comes in parts. The first one counts and the search ends there.
/// Each part costs its own length and not the whole text's, except a token that is not complete yet; that one is looked at again only when a good deal more of it has come.
/// </summary>
internal struct ModelSearch()
{
    private const int MaxDepth = 256;
    private const int Short = 4096;

    private JsonReaderState _state = new(new() { MaxDepth = MaxDepth });
    private int _consumed;
    private int _looked;
    private bool _begun;
    private bool _named;
    private bool _done;

    public string? Model { get; private set; }

    /// <summary>Why there can be no model in this text, whatever follows.</summary>
    public string? Problem { get; private set; }

    /// <summary>True: so much has come since the last look that another one pays.</summary>
    public readonly bool Worthwhile(int length) => length - _consumed <= Short || length - _consumed >= (_looked - _consumed) * 5 / 4;

    /// <param name="text">All that has come so far.</param>
    /// <param name="ended">Nothing will follow.</param>
    /// <returns>True: the search is over.</returns>
    public bool Continue(ReadOnlySpan<byte> text, bool ended)
    {
        _looked = text.Length;
        try
        {
            Look(text, ended);
        }
        catch (JsonException e)
        {
            Problem = $"the body is no JSON: {e.Message}";
        }
        catch (InvalidOperationException)
        {
            Problem = "\"model\" is no text in UTF-8";
        }

        return _done || Problem is not null;
    }

    private void Look(ReadOnlySpan<byte> text, bool ended)
    {
        if (!_begun)
        {
            // Some clients of Windows begin with a mark that is no JSON (RFC 8259 section 8.1 lets a reader skip it).
            ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
            if (text.Length < mark.Length && !ended && mark.StartsWith(text))
            {
                return;
            }

            _begun = true;
            _consumed = text.StartsWith(mark) ? mark.Length : 0;
        }

        var reader = new Utf8JsonReader(text[_consumed..], ended, _state);
        while (!_done && Problem is null && reader.Read())
        {
            Take(ref reader);
        }

        _consumed += (int)reader.BytesConsumed;
        _state = reader.CurrentState;
    }

    private void Take(ref Utf8JsonReader reader)
    {
        if (_named)
        {
            _done = true;
            if (reader.TokenType != JsonTokenType.String)
            {
                Problem = "\"model\" is not a string";
            }
            else if (reader.GetString() is { Length: > 0 } name)
            {
                Model = name;
            }
            else
            {
                Problem = "\"model\" is empty";
            }
        }
        else if (reader.CurrentDepth == 0 && reader.TokenType != JsonTokenType.StartObject)
        {
            (_done, Problem) = reader.TokenType == JsonTokenType.EndObject ? (true, "the body has no \"model\"") : (true, "the body is no JSON object");
        }
        else
        {
            _named = reader is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 } && reader.ValueTextEquals("model"u8);
        }
    }
}
