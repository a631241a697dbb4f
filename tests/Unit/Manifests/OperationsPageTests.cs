using System.Text.RegularExpressions;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>docs/operations.md says what to do about every condition, metric and alert, and the Dockerfile fits the manifests.</summary>
public sealed partial class OperationsPageTests
{
    private static readonly string s_page = ManifestFolder.Read("docs/operations.md");

    private static readonly string s_code = string.Concat(Directory.EnumerateFiles(Path.Combine(ManifestFolder.Root, "functions"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));

    [Fact]
    public void Conditions_All_AreInTheTable()
    {
        var types = Condition().Matches(s_code).Select(m => m.Groups["type"].Value).Distinct().ToList();
        Assert.True(types.Count >= 12, $"only {types.Count} conditions were found");
        var rows = s_page.Split('\n').Where(l => l.StartsWith("| `", StringComparison.Ordinal)).ToList();
        Assert.All(types, t => Assert.Contains(rows, r => r.Split('|')[1].Contains($"`{t}`", StringComparison.Ordinal)));
    }

    [Fact]
    public void Metrics_All_AreInTheTable() =>
        Assert.All(Metric().Matches(s_code).Select(m => m.Groups["name"].Value), n => Assert.Contains($"| `{n}` |", s_page, StringComparison.Ordinal));

    [Fact]
    public void Alerts_All_AreInTheTable() =>
        Assert.All(ManifestFolder.Objects("knative/monitoring/rules.yaml").Single().At("spec", "groups").Objects().SelectMany(g => g["rules"].Objects()),
            r => Assert.Contains(r.Text("alert")!, s_page, StringComparison.Ordinal));

    [Fact]
    public void Links_All_LeadSomewhere() => Assert.All(Link().Matches(s_page).Select(m => m.Groups["path"].Value),
        p => Assert.True(Path.Exists(Path.Combine(ManifestFolder.Root, "docs", p)), $"{p} is not there"));

    [Fact]
    public void Dockerfile_CopiesWhatIsThere_AndRunsAsTheManifestsSay()
    {
        var lines = ManifestFolder.Read("functions/Dockerfile").Split('\n');
        var copied = lines.Where(l => l.StartsWith("COPY ", StringComparison.Ordinal) && !l.Contains("--from", StringComparison.Ordinal)).SelectMany(l => l.Split(' ')[1..^1]).ToList();
        Assert.All(copied, c => Assert.True(Path.Exists(Path.Combine(ManifestFolder.Root, c)), $"{c} is not there"));
        // Whatever the root holds that every project is built with has to be copied too.
        Assert.All(Directory.EnumerateFiles(ManifestFolder.Root).Select(f => Path.GetFileName(f)!)
            .Where(f => f.EndsWith(".props", StringComparison.Ordinal) || f is "global.json" or "BannedSymbols.txt" or "host.json" or "local.settings.json" or "nuget.config"), f => Assert.Contains(f, copied));
        var user = lines.Single(l => l.StartsWith("USER ", StringComparison.Ordinal)).Split(' ')[1];
        foreach (var service in (string[])["uploads", "cluster", "relay", "operate"])
        {
            var container = ManifestFolder.Objects($"knative/base/{service}.yaml").Single().At("spec", "template", "spec", "containers").Objects().Single();
            Assert.Equal(user, container.Text("securityContext", "runAsUser"));
            Assert.Contains($"EXPOSE {container.At("ports").Objects().Single().Text("containerPort")}", lines);
        }
    }

    [GeneratedRegex(@"\bconditions?\.Set\(""(?<type>\w+)""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Condition();

    [GeneratedRegex(@"Metrics\.Create\w+\(\s*""(?<name>prewarm_\w+)""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Metric();

    [GeneratedRegex(@"\]\((?<path>[^)#:]+)\)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Link();
}
