using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Alerts and dashboard ask for metrics, labels and label values that the functions have.</summary>
public sealed partial class MetricNamesTests
{
    private static readonly string s_code = string.Concat(Directory.EnumerateFiles(Path.Combine(ManifestFolder.Root, "functions"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));

    private static readonly Dictionary<string, bool> s_metrics = Created().Matches(s_code).ToDictionary(m => m.Groups["name"].Value, m => m.Groups["kind"].Value == "Histogram", StringComparer.Ordinal);

    [Fact]
    public void Alerts_All_AskForWhatExists()
    {
        var rules = ManifestFolder.Objects("knative/monitoring/rules.yaml").Single().At("spec", "groups").Objects().SelectMany(g => g["rules"].Objects()).ToList();
        Assert.True(rules.Count >= 8);
        Assert.Equal(rules.Count, rules.Select(r => r.Text("alert")).Distinct().Count());
        Assert.All(rules, r => Check(r.Text("expr")!));
        Assert.All(rules, r => Assert.False(string.IsNullOrEmpty(r.Text("annotations", "summary"))));
    }

    [Fact]
    public void Dashboard_AllPanels_AskForWhatExists()
    {
        var expressions = JsonNode.Parse(ManifestFolder.Read("knative/monitoring/dashboard.json"))!["panels"].Objects().SelectMany(p => p["targets"].Objects()).Select(t => t.Text("expr")!).ToList();
        Assert.All(expressions, Check);
        // What the functions count is shown.
        Assert.All(s_metrics.Keys, m => Assert.Contains(expressions, e => e.Contains(m, StringComparison.Ordinal)));
    }

    [Fact]
    public void Check_UnknownName_Fails() => Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Check("rate(prewarm_nothing_total[5m])"));

    [Fact]
    public void Check_UnknownLabelValue_Fails() => Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Check("""prewarm_events_total{outcome="no_such_outcome"}"""));

    private static void Check(string expression)
    {
        var names = Used().Matches(expression).Select(m => m.Value).ToList();
        Assert.NotEmpty(names);
        foreach (var name in names)
        {
            var part = name.Split('_')[^1] is "bucket" or "sum" or "count" ? name[..name.LastIndexOf('_')] : name;
            Assert.True(s_metrics.TryGetValue(part, out var histogram) && histogram == (part != name), $"the functions have no metric {name}");
        }

        foreach (Match label in Label().Matches(expression))
        {
            Assert.Contains($"\"{label.Groups["name"].Value}\"", s_code, StringComparison.Ordinal);
            Assert.All(label.Groups["value"].Value.Split('|'), v => Assert.Contains($"\"{v}\"", s_code, StringComparison.Ordinal));
        }
    }

    [GeneratedRegex(@"Metrics\.Create(?<kind>\w+)\(\s*""(?<name>prewarm_\w+)""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Created();

    [GeneratedRegex(@"\bprewarm_\w+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Used();

    [GeneratedRegex(@"(?<name>\w+)=~?""(?<value>[^""]*)""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Label();
}
