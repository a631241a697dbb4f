using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Every object against the CRD of the project that owns its kind, where the shared folder with them is there.</summary>
public sealed partial class RealSchemaTests
{
    // No CRD of theirs is at hand: checked against slim ones of our own (neighbour-crds.yaml), or built into Kubernetes.
    private static readonly string[] s_unchecked =
    [
        "AuthorizationPolicy", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition", "KafkaSink", "KafkaSource", "Namespace", "PeerAuthentication",
        "PodDisruptionBudget", "PodMonitor", "PrometheusRule", "Role", "RoleBinding", "ServiceAccount", "VirtualService",
    ];

    [Fact]
    public async Task Objects_All_PassTheRealSchemas()
    {
        var folder = Path.Combine(ManifestFolder.Root, "..", "shared", "crds");
        Assert.SkipUnless(Directory.Exists(folder), "../shared/crds is not there");
        var files = Directory.EnumerateFiles(folder, "*.yaml").ToDictionary(f => Key(File.ReadAllText(f)), StringComparer.Ordinal);
        files["prewarm.dev CachedModel"] = Path.Combine(ManifestFolder.Root, "knative/base/cachedmodel-crd.yaml");
        var built = await Task.WhenAll(ReferenceTests.Sets.Select(s => Kubectl.BuildAsync(s.Data)));
        var objects = built.SelectMany(b => b)
            .Concat(ManifestFolder.Files("*.yaml").Where(f => f.Contains("replaces", StringComparison.Ordinal)).SelectMany(ManifestFolder.Objects))
            .Concat(await Kubectl.BuildAsync("knative/examples/bloom-serverless")).ToList();

        var schemas = new Dictionary<string, JsonObject>(StringComparer.Ordinal);
        var uncheckedKinds = new SortedSet<string>(StringComparer.Ordinal);
        List<string> problems = [];
        foreach (var obj in objects)
        {
            if (!files.TryGetValue($"{obj.Group()} {obj.Kind()}", out var file))
            {
                uncheckedKinds.Add(obj.Kind());
                continue;
            }

            var version = obj.Text("apiVersion")!.Split('/')[1];
            if (!schemas.TryGetValue(file + version, out var schema))
            {
                var found = Yaml.Documents(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Single().At("spec", "versions").Objects().SingleOrDefault(v => v.Text("name") == version);
                Assert.True(found is not null, $"{obj.Kind()} has no version {version}");
                schemas[file + version] = schema = (JsonObject)found.At("schema", "openAPIV3Schema")!;
            }

            List<string> here = [];
            var copy = (JsonObject)obj.DeepClone();
            Schema.Validate(schema, copy, "", here);
            Schema.Prune(schema, copy, "", here);
            problems.AddRange(here.Select(p => $"{obj.Kind()} {obj.Name()}: {p}"));
        }

        Assert.Equal([], problems.Distinct());
        Assert.Equal(s_unchecked, uncheckedKinds);
        Assert.True(schemas.Count >= 9, $"only {schemas.Count} schemas were used");
    }

    [GeneratedRegex(@"^ {2}group: (?<group>\S+)", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex GroupLine();

    [GeneratedRegex(@"^ {4}kind: (?<kind>\S+)", RegexOptions.Multiline | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex KindLine();

    private static string Key(string crd) => $"{GroupLine().Match(crd).Groups["group"].Value} {KindLine().Match(crd).Groups["kind"].Value}";
}
