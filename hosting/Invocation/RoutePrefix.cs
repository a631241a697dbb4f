using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>The route prefix, from where the Functions host takes it: host.json, extensions.http.routePrefix.</summary>
internal static class RoutePrefix
{
    public const string Default = "api";

    /// <summary>Looks in the app root the Functions host names, in the content root, and next to the program; the first host.json counts.
    /// AzureFunctionsJobHost__extensions__http__routePrefix overrides it, as in that host.</summary>
    public static string Read(IConfiguration configuration, string contentRoot)
    {
        if (configuration["AzureFunctionsJobHost:extensions:http:routePrefix"] is { } configured)
        {
            return configured;
        }

        string?[] roots = [configuration["FUNCTIONS_APP_ROOT_PATH"], contentRoot, AppContext.BaseDirectory];
        foreach (var root in roots)
        {
            if (root is not null && Path.Combine(root, "host.json") is var path && File.Exists(path))
            {
                return Parse(File.ReadAllBytes(path), path);
            }
        }

        return Default;
    }

    internal static string Parse(ReadOnlyMemory<byte> hostJson, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(
                hostJson, new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return document.RootElement.TryGetProperty("extensions", out var extensions)
                && extensions.TryGetProperty("http", out var http)
                && http.TryGetProperty("routePrefix", out var prefix)
                ? prefix.GetString() ?? Default
                : Default;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidOperationException($"{path} is not a valid host.json: {e.Message}", e);
        }
    }
}
