using System.Text.Json.Nodes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The manifests of this checkout.</summary>
internal static class ManifestFolder
{
    private static readonly string[] s_areas = ["knative", "eventing"];

    public static string Root { get; } = FindRoot();

    /// <summary>Folders of a kustomization, relative to the root.</summary>
    public static IReadOnlyList<string> Kustomizations { get; } =
        [.. Files("kustomization.yaml").Select(f => Path.GetDirectoryName(f)!.Replace('\\', '/')).Order(StringComparer.Ordinal)];

    /// <summary>Files below knative/ and eventing/, relative to the root.</summary>
    public static IEnumerable<string> Files(string pattern) => s_areas
        .SelectMany(a => Directory.EnumerateFiles(Path.Combine(Root, a), pattern, SearchOption.AllDirectories))
        .Select(f => Path.GetRelativePath(Root, f));

    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    public static IEnumerable<JsonObject> Objects(string file) => Yaml.Documents(Read(file));

    public static string Group(this JsonObject obj) => obj.Text("apiVersion")!.Split('/') is [var group, _] ? group : "";

    public static string Kind(this JsonObject obj) => obj.Text("kind")!;

    public static bool IsKnativeService(this JsonObject obj) => obj.Kind() == "Service" && obj.Group() == "serving.knative.dev";

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Functions.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("the tests do not run inside the repository");
        }

        return folder.FullName;
    }
}
