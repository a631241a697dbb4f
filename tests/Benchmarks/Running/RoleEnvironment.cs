using System.Text.Json.Nodes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Tests.Benchmarks.Startup;

namespace Prewarm.Tests.Benchmarks.Running;

/// <summary>The environment that a role of <c>knative/base</c> gives its process, as far as it is written there: which functions, and how the runtime is set.</summary>
internal static class RoleEnvironment
{
    /// <summary>The roles, by the names of their files.</summary>
    public static readonly IReadOnlyList<string> Roles = ["relay", "uploads", "cluster", "operate", "prewarmer"];

    public static IReadOnlyDictionary<string, string> Of(string role)
    {
        var service = Yaml.Object(File.ReadAllText(Path.Combine(Publication.Root, "knative", "base", role + ".yaml")));
        var variables = service["spec"]!["template"]!["spec"]!["containers"]![0]!["env"]!.AsArray().OfType<JsonObject>();
        return variables.Select(v => (Name: (string)v["name"]!, Value: (string?)v["value"])).Where(v => v.Value is not null && (v.Name == "FUNCTIONS" || v.Name.StartsWith("DOTNET_", StringComparison.Ordinal)))
            .ToDictionary(v => v.Name, v => v.Value!, StringComparer.Ordinal);
    }
}
