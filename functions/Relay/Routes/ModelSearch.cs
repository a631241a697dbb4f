using System.Text.Json;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Looks for the member "model" of the outermost object in a JSON text that comes in parts, and ends with what has come when it is found. A second one in there that says something else is refused:
/// parsers differ in which of two they take (RFC 8259 section 4).
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
        catch (JsonException) when (Model is not null)
        {
            // What follows is the model server's to judge.
            _done = true;
        }
        catch (JsonException e)
        {
            Problem = $"the body is no JSON: {e.Message}";
        }
        catch (InvalidOperationException)
        {
            (Model, Problem) = (null, "\"model\" is no text in UTF-8");
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

        _done |= Model is not null;
        _consumed += (int)reader.BytesConsumed;
        _state = reader.CurrentState;
    }

    private void Take(ref Utf8JsonReader reader)
    {
        if (_named)
        {
            _named = false;
            if (reader.TokenType != JsonTokenType.String)
            {
                (Model, Problem) = (null, "\"model\" is not a string: give the model's name");
            }
            else if (reader.GetString() is not { Length: > 0 } name)
            {
                (Model, Problem) = (null, "\"model\" is empty: give the model's name");
            }
            else if (Model is not null && Model != name)
            {
                Problem = $"\"model\" is there twice, as '{RelayProblem.Short(Model)}' and as '{RelayProblem.Short(name)}': leave one";
                Model = null;
            }
            else
            {
                Model = name;
            }
        }
        else if (reader.CurrentDepth == 0 && reader.TokenType != JsonTokenType.StartObject)
        {
            (_done, Problem) = (true, Model is not null ? null : reader.TokenType == JsonTokenType.EndObject ? ModelInBody.Missing : "the body is no JSON object: write {\"model\": NAME, …}");
        }
        else
        {
            _named = reader is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 } && reader.ValueTextEquals("model"u8);
        }
    }
}
