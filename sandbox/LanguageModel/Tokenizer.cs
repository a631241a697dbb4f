using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Prewarm.Sandbox.LanguageModel;

/// <summary>Words and punctuation marks as tokens; kept as a WordLevel <c>tokenizer.json</c>.</summary>
internal sealed partial class Tokenizer
{
    /// <summary>The id of a word the training text did not have.</summary>
    public const int Unknown = 0;

    private const string UnknownWord = "<unk>";
    private readonly Dictionary<string, int> _ids = [];
    private readonly List<string> _words = [];

    private Tokenizer(IEnumerable<string> words)
    {
        foreach (var word in words)
        {
            if (_ids.TryAdd(word, _words.Count))
            {
                _words.Add(word);
            }
        }
    }

    public int Count => _words.Count;

    public static Tokenizer Of(string text) => new(Split(text).Prepend(UnknownWord));

    public static Tokenizer Parse(JsonNode json) =>
        new(json["model"]?["vocab"]?.AsObject().OrderBy(p => (int)p.Value!).Select(p => p.Key) ?? throw new InvalidDataException("tokenizer.json has no model.vocab"));

    public JsonObject ToJson() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray(),
        ["pre_tokenizer"] = new JsonObject { ["type"] = "Whitespace" },
        ["model"] = new JsonObject
        {
            ["type"] = "WordLevel",
            ["vocab"] = new JsonObject(_words.Select((w, i) => KeyValuePair.Create(w, (JsonNode?)i))),
            ["unk_token"] = UnknownWord,
        },
    };

    public List<int> Encode(string text) =>
        [.. Split(text).Select(w => _ids.TryGetValue(w, out var id) || _ids.TryGetValue(w.ToLowerInvariant(), out id) ? id : Unknown)];

    public string Decode(IEnumerable<int> tokens)
    {
        var text = new StringBuilder();
        foreach (var token in tokens)
        {
            var word = _words[token];
            if (text.Length > 0 && !Closing().IsMatch(word))
            {
                text.Append(' ');
            }

            text.Append(word);
        }

        return text.ToString();
    }

    private static IEnumerable<string> Split(string text) => Words().Matches(text).Select(m => m.Value);

    [GeneratedRegex(@"\w+(?:['’-]\w+)*|[^\w\s]", RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Words();

    [GeneratedRegex(@"^[.,;:!?)\]}…]$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Closing();
}
