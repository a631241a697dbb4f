using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>YAML to JSON nodes, by YAML 1.2's core schema as Kubernetes reads it.</summary>
internal static class Yaml
{
    public static IEnumerable<JsonObject> Documents(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return stream.Documents.Select(d => Convert(d.RootNode)).OfType<JsonObject>().ToList();
    }

    /// <summary>One object from JSON or YAML.</summary>
    public static JsonObject Object(string text) =>
        text.TrimStart().StartsWith('{') ? JsonNode.Parse(text)!.AsObject() : Documents(text).FirstOrDefault() ?? throw ApiFailure.BadRequest("the body is empty");

    private static JsonNode? Convert(YamlNode node)
    {
        switch (node)
        {
            case YamlMappingNode map:
                var obj = new JsonObject();
                foreach (var (key, value) in map.Children)
                {
                    obj[((YamlScalarNode)key).Value!] = Convert(value);
                }

                return obj;
            case YamlSequenceNode list:
                return new JsonArray([.. list.Children.Select(Convert)]);
            case YamlScalarNode { Style: not ScalarStyle.Plain } quoted:
                return JsonValue.Create(quoted.Value);
            case YamlScalarNode plain:
                var text = plain.Value ?? "";
                if (text is "" or "~" or "null")
                {
                    return null;
                }

                if (text is "true" or "false")
                {
                    return JsonValue.Create(text == "true");
                }

                return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? JsonValue.Create(whole)
                    : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && char.IsAsciiDigit(text[^1]) ? JsonValue.Create(real)
                    : JsonValue.Create(text);
            default:
                return null;
        }
    }
}
