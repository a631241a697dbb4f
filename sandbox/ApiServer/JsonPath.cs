using System.Globalization;
using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>The part of JSONPath that printer columns use: names, escaped dots, indexes, <c>[*]</c>, <c>['name']</c> and <c>[?(@.a=='b')]</c>.</summary>
internal static class JsonPath
{
    public static IEnumerable<JsonNode> Find(JsonNode root, string path)
    {
        IEnumerable<JsonNode> at = [root];
        var i = 0;
        while (i < path.Length)
        {
            if (path[i] == '.')
            {
                i++;
            }
            else if (path[i] == '[')
            {
                var end = path.IndexOf(path[i + 1] == '?' ? ")]" : "]", i, StringComparison.Ordinal);
                var inside = path[(i + 1)..end].TrimStart('?', '(').Trim();
                i = path.IndexOf(']', end) + 1;
                at = Bracket(at, inside).ToList();
            }
            else
            {
                var start = i;
                while (i < path.Length && (path[i] is not ('.' or '[') || path[i - 1] == '\\'))
                {
                    i++;
                }

                var name = path[start..i].Replace("\\", "", StringComparison.Ordinal);
                at = at.Select(n => (n as JsonObject)?[name]).OfType<JsonNode>().ToList();
            }
        }

        return at;
    }

    private static IEnumerable<JsonNode> Bracket(IEnumerable<JsonNode> nodes, string inside)
    {
        if (inside.StartsWith('@'))
        {
            var sides = inside.Split("==", 2, StringSplitOptions.TrimEntries);
            var wanted = sides[^1].Trim('\'', '"');
            return nodes.OfType<JsonArray>().SelectMany(a => a).OfType<JsonNode>().Where(n => Find(n, sides[0][1..]).Any(v => v.ToString() == wanted));
        }

        if (inside == "*")
        {
            return nodes.OfType<JsonArray>().SelectMany(a => a).OfType<JsonNode>();
        }

        return int.TryParse(inside, CultureInfo.InvariantCulture, out var index)
            ? nodes.OfType<JsonArray>().Where(a => index < a.Count).Select(a => a[index]).OfType<JsonNode>()
            : nodes.OfType<JsonObject>().Select(o => o[inside.Trim('\'', '"').Replace("\\", "", StringComparison.Ordinal)]).OfType<JsonNode>();
    }
}
