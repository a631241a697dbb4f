using System.Text.Json.Nodes;

namespace Prewarm.Sandbox.ApiServer;

/// <summary>One manager's entry in metadata.managedFields, with its fields as <see cref="FieldPaths"/>.</summary>
internal sealed record ManagedEntry(string Manager, string Operation, string Subresource, string ApiVersion, string Time, List<string> Paths);

/// <summary>metadata.managedFields as it stands in objects (FieldsV1).</summary>
internal static class ManagedFields
{
    public static List<ManagedEntry> Read(JsonObject obj)
    {
        var entries = new List<ManagedEntry>();
        foreach (var item in obj["metadata"]?["managedFields"] as JsonArray ?? [])
        {
            var paths = new List<string>();
            void Collect(JsonObject node, string path)
            {
                foreach (var (key, value) in node)
                {
                    var here = path.Length == 0 ? key : path + FieldPaths.Joint + key;
                    if (value is JsonObject { Count: > 0 } deeper)
                    {
                        Collect(deeper, here);
                    }
                    else
                    {
                        paths.Add(here);
                    }
                }
            }

            Collect(item!["fieldsV1"] as JsonObject ?? [], "");
            entries.Add(new((string)item["manager"]!, (string)item["operation"]!, (string?)item["subresource"] ?? "", (string)item["apiVersion"]!, (string)item["time"]!, paths));
        }

        return entries;
    }

    public static void Write(JsonObject obj, List<ManagedEntry> entries)
    {
        var list = new JsonArray();
        foreach (var entry in entries)
        {
            var fields = new JsonObject();
            foreach (var path in entry.Paths.Order(StringComparer.Ordinal))
            {
                var at = fields;
                foreach (var step in path.Split(FieldPaths.Joint))
                {
                    if (at[step] is not JsonObject next)
                    {
                        at[step] = next = [];
                    }

                    at = next;
                }
            }

            var item = new JsonObject
            {
                ["manager"] = entry.Manager,
                ["operation"] = entry.Operation,
                ["apiVersion"] = entry.ApiVersion,
                ["time"] = entry.Time,
                ["fieldsType"] = "FieldsV1",
                ["fieldsV1"] = fields,
            };
            if (entry.Subresource.Length > 0)
            {
                item["subresource"] = entry.Subresource;
            }

            list.Add(item);
        }

        obj["metadata"]!["managedFields"] = list;
    }
}
