using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>meta.k8s.io/v1 Table: what <c>kubectl get</c> prints.</summary>
internal static class Table
{
    private static readonly Column s_age = new("Age", "date", ".metadata.creationTimestamp", 0);

    public static bool Wanted(HttpContext context) => context.Request.Headers.Accept.ToString().Contains("as=Table", StringComparison.Ordinal);

    public static string Include(HttpContext context) => (string?)context.Request.Query["includeObject"] ?? "Metadata";

    public static JsonObject Of(Kind kind, IReadOnlyList<JsonObject> objects, DateTimeOffset now, string include)
    {
        var columns = kind.Columns is { Count: > 0 } own ? own : [s_age];
        return new()
        {
            ["kind"] = "Table",
            ["apiVersion"] = "meta.k8s.io/v1",
            ["metadata"] = new JsonObject { ["resourceVersion"] = objects.Count == 1 ? (string?)objects[0]["metadata"]!["resourceVersion"] : "" },
            ["columnDefinitions"] = new JsonArray([Definition("Name", "string", "name", 0), .. columns.Select(c => Definition(c.Name, c.Type, "", c.Priority))]),
            ["rows"] = new JsonArray([.. objects.Select(o => new JsonObject
            {
                ["cells"] = new JsonArray([JsonValue.Create((string)o["metadata"]!["name"]!), .. columns.Select(c => Cell(c, o, now))]),
                ["object"] = include switch
                {
                    "None" => null,
                    "Object" => o.DeepClone(),
                    _ => new JsonObject { ["kind"] = "PartialObjectMetadata", ["apiVersion"] = "meta.k8s.io/v1", ["metadata"] = o["metadata"]!.DeepClone() },
                },
            })]),
        };
    }

    private static JsonObject Definition(string name, string type, string format, int priority) =>
        new() { ["name"] = name, ["type"] = type, ["format"] = format, ["description"] = name, ["priority"] = priority };

    private static JsonNode? Cell(Column column, JsonObject obj, DateTimeOffset now)
    {
        if (column.Value is { } value)
        {
            return value(obj);
        }

        var found = JsonPath.Find(obj, column.Path).FirstOrDefault();
        if (found is null)
        {
            return column.Type == "date" ? "<unknown>" : "";
        }

        if (column.Type == "date")
        {
            return DateTimeOffset.TryParse(found.ToString(), CultureInfo.InvariantCulture, out var then) ? Age(now - then) : "<invalid>";
        }

        return found.GetValueKind() is JsonValueKind.Number && column.Type is "integer" or "number" ? found.DeepClone() : JsonValue.Create(found.ToString());
    }

    private static string Age(TimeSpan age) => age.TotalSeconds switch
    {
        < 0 => "0s",
        < 120 => $"{(int)age.TotalSeconds}s",
        < 600 => $"{(int)age.TotalMinutes}m{(age.Seconds == 0 ? "" : $"{age.Seconds}s")}",
        < 10800 => $"{(int)age.TotalMinutes}m",
        < 172800 => $"{(int)age.TotalHours}h",
        _ => $"{(int)age.TotalDays}d",
    };
}
