using System.Text.Json;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Writes what the Functions host reads about a custom handler's functions.</summary>
public static class FunctionJson
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n" };

    /// <summary>Writes <c>DIR/FUNCTION/function.json</c> for each function. The same functions give the same bytes.</summary>
    public static void WriteAll(IEnumerable<FunctionDescriptor> functions, string directory)
    {
        ArgumentNullException.ThrowIfNull(functions);
        foreach (var function in functions)
        {
            var folder = Directory.CreateDirectory(Path.Combine(directory, function.Name));
            using var file = File.Create(Path.Combine(folder.FullName, "function.json"));
            Write(function, file);
        }
    }

    // Exactly one httpTrigger in and one http out: only then does the host forward the request itself
    // (WebJobs.Script, FunctionMetadataExtensions.IsHttpInAndOutFunction).
    internal static void Write(FunctionDescriptor function, Stream to)
    {
        using (var json = new Utf8JsonWriter(to, Indented))
        {
            json.WriteStartObject();
            json.WriteStartArray("bindings");

            json.WriteStartObject();
            json.WriteString("type", "httpTrigger");
            json.WriteString("authLevel", JsonNamingPolicy.CamelCase.ConvertName(function.AuthLevel.ToString()));
            json.WriteString("direction", "in");
            json.WriteString("name", function.RequestName);
            if (function.Methods.Count > 0)
            {
                json.WriteStartArray("methods");
                foreach (var method in function.Methods)
                {
                    json.WriteStringValue(method.ToLowerInvariant());
                }

                json.WriteEndArray();
            }

            if (function.Route is not null)
            {
                json.WriteString("route", function.Route);
            }

            json.WriteEndObject();

            json.WriteStartObject();
            json.WriteString("type", "http");
            json.WriteString("direction", "out");
            json.WriteString("name", "res");
            json.WriteEndObject();

            json.WriteEndArray();
            json.WriteEndObject();
        }

        to.WriteByte((byte)'\n');
    }
}
