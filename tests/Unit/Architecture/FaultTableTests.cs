using System.Text.RegularExpressions;
using Prewarm.Tests.Unit.Manifests;
using Xunit;

namespace Prewarm.Tests.Unit.Architecture;

/// <summary>docs/faults.md says which test holds what: each test that it names is there, and each row names one.</summary>
public sealed partial class FaultTableTests
{
    private static readonly string s_root = ManifestFolder.Root;
    private static readonly string[] s_rows = [.. File.ReadLines(Path.Combine(s_root, "docs", "faults.md")).Where(l => l.StartsWith("| ", StringComparison.Ordinal))];

    [Fact]
    public void EachTestThatIsNamed_IsThere()
    {
        var tests = Tests();
        var text = File.ReadAllText(Path.Combine(s_root, "docs", "faults.md"));
        Assert.All(Named().Matches(text), m => Assert.Contains(m.Groups["name"].Value, tests));
        Assert.DoesNotContain("…`", text, StringComparison.Ordinal);
        Assert.True(tests.Count > 500, "the tests' sources are not found");
    }

    [Fact]
    public void EachRow_NamesATest_OrAFaultThatCiPlays()
    {
        var ci = File.ReadAllText(Path.Combine(s_root, ".ci", "run"));
        Assert.All(s_rows.Where(r => !Header(r)), row =>
        {
            if (row.EndsWith("| `.ci/run` |", StringComparison.Ordinal))
            {
                Assert.All(Option().Matches(row), option => Assert.Contains(option.Groups["name"].Value, ci, StringComparison.Ordinal));
            }
            else
            {
                Assert.Contains(Named().Matches(row), m => m.Groups["name"].Value.Contains('.', StringComparison.Ordinal));
            }
        });
    }

    private static bool Header(string row) => Array.IndexOf(s_rows, row) == 0 || row.StartsWith("| fault | ", StringComparison.Ordinal) || row.StartsWith("| what is wrong | ", StringComparison.Ordinal);

    /// <summary>Class, and Class.Method, of every test in the sources: the slow ones are in another program.</summary>
    private static HashSet<string> Tests()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in new[] { "Unit", "Scenarios" }.SelectMany(p => Directory.EnumerateFiles(Path.Combine(s_root, "tests", p), "*Tests.cs", SearchOption.AllDirectories)))
        {
            var text = File.ReadAllText(file);
            var type = Path.GetFileNameWithoutExtension(file);
            names.Add(type);
            names.UnionWith(Method().Matches(text).Select(m => $"{type}.{m.Groups["name"].Value}"));
        }

        return names;
    }

    [GeneratedRegex(@"`(tests/[\w/]+/)?(?<name>\w+Tests(\.\w+)?)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Named();

    [GeneratedRegex(@"`(?<name>(--)?[a-z-]+[= ][\w.]+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Option();

    [GeneratedRegex(@"^    public (async )?(void|Task|ValueTask) (?<name>\w+)\(", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Method();
}
