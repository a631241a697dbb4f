using System.Text.Json.Nodes;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Members of objects that somebody else wrote: whatever is not as expected is simply not there.</summary>
internal static class Reading
{
    /// <summary>The member at a path; null when a step is missing or no object.</summary>
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var step in path)
        {
            node = (node as JsonObject)?[step];
        }

        return node;
    }

    public static string? Text(this JsonNode? node, params ReadOnlySpan<string> path) =>
        At(node, path) is JsonValue value ? value.TryGetValue<string>(out var text) ? text : value.ToJsonString() : null;

    public static IEnumerable<JsonNode?> Items(this JsonNode? node, params ReadOnlySpan<string> path) => At(node, path) as JsonArray ?? [];

    public static string Name(this JsonObject item) => Text(item, "metadata", "name") ?? "";

    public static string Namespace(this JsonObject item) => Text(item, "metadata", "namespace") ?? "";

    public static string? Label(this JsonObject? item, string label) => Text(item, "metadata", "labels", label);

    /// <summary>The leading numbers of a version such as <c>v0.9.10-aliyun</c>; null when it does not begin with any.</summary>
    public static Version? Version(string? text)
    {
        var numbers = new string([.. (text ?? "").TrimStart('v').TakeWhile(c => char.IsAsciiDigit(c) || c == '.')]).TrimEnd('.');
        return System.Version.TryParse(numbers.Contains('.') ? numbers : numbers + ".0", out var version) ? version : null;
    }

    /// <summary>Tag of the first container's image, without a digest; null when there is none.</summary>
    public static string? ImageTag(JsonObject deployment)
    {
        var image = Items(deployment, "spec", "template", "spec", "containers").FirstOrDefault().Text("image")?.Split('@')[0];
        var colon = image?.LastIndexOf(':') ?? -1;
        return colon > (image?.LastIndexOf('/') ?? -1) ? image![(colon + 1)..] : null;
    }
}
