using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>Label and field selectors of one list or watch.</summary>
internal sealed class Selector
{
    private readonly List<Func<JsonObject, bool>> _tests = [];

    public Selector(string? labels, string? fields)
    {
        foreach (var term in Split(labels))
        {
            _tests.Add(Label(term));
        }

        foreach (var term in Split(fields))
        {
            var differs = term.Contains("!=", StringComparison.Ordinal);
            var parts = term.Split(differs ? "!=" : term.Contains("==", StringComparison.Ordinal) ? "==" : "=", 2);
            var path = parts[0].Trim().Split('.');
            Fields.Add(parts[0].Trim());
            _tests.Add(o =>
            {
                JsonNode? node = o;
                foreach (var step in path)
                {
                    node = (node as JsonObject)?[step];
                }

                return ((node?.ToString() ?? "") == parts[^1].Trim()) != differs;
            });
        }
    }

    /// <summary>Fields that the field selector names.</summary>
    public List<string> Fields { get; } = [];

    /// <summary>Name, namespace and labels of an object tell.</summary>
    public bool OfHeads => Fields.TrueForAll(f => f is "metadata.name" or "metadata.namespace");

    public bool IsEmpty => _tests.Count == 0;

    public bool Matches(JsonObject obj) => _tests.TrueForAll(t => t(obj));

    private static Func<JsonObject, bool> Label(string term)
    {
        static string? Of(JsonObject o, string key) => (string?)o["metadata"]?["labels"]?[key];
        var words = term.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words.Length == 3 && words[1] is "in" or "notin")
        {
            var values = words[2].Trim('(', ')').Split(',', StringSplitOptions.TrimEntries);
            return words[1] == "in" ? o => Of(o, words[0]) is { } v && values.Contains(v) : o => Of(o, words[0]) is not { } v || !values.Contains(v);
        }

        var equals = term.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            return term.StartsWith('!') ? o => Of(o, term[1..].Trim()) is null : o => Of(o, term) is not null;
        }

        var differs = equals > 0 && term[equals - 1] == '!';
        var key = term[..(differs ? equals - 1 : equals)].Trim();
        var value = term[(equals + 1)..].TrimStart('=').Trim();
        return o => (Of(o, key) == value) != differs;
    }

    // Commas inside parentheses separate values, not terms.
    private static IEnumerable<string> Split(string? selector)
    {
        var depth = 0;
        var start = 0;
        selector ??= "";
        for (var i = 0; i <= selector.Length; i++)
        {
            if (i == selector.Length || (selector[i] == ',' && depth == 0))
            {
                if (i > start)
                {
                    yield return selector[start..i].Trim();
                }

                start = i + 1;
            }
            else
            {
                depth += selector[i] switch { '(' => 1, ')' => -1, _ => 0 };
            }
        }
    }
}
