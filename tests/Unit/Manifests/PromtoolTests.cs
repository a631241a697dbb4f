using System.Diagnostics;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Prometheus' own tool reads the alerts; without it a test is skipped and says so.</summary>
public sealed class PromtoolTests
{
    private static readonly string? s_program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(p => Path.Combine(p, "promtool")).FirstOrDefault(File.Exists);

    [Fact]
    public async Task Rules_AreRules()
    {
        var rules = ManifestFolder.Objects("knative/monitoring/rules.yaml").Single().At("spec")!;
        var (code, output) = await CheckAsync(rules);
        Assert.True(code == 0, output);
        Assert.Contains($"{rules["groups"].Objects().Sum(g => g["rules"].Objects().Count())} rules found", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rules_WithABrokenExpression_AreRefused()
    {
        var (code, _) = await CheckAsync(JsonNode.Parse("""{"groups":[{"name":"g","rules":[{"alert":"A","expr":"sum(rate(prewarm_events_total[5m])"}]}]}""")!);
        Assert.NotEqual(0, code);
    }

    private static async Task<(int Code, string Output)> CheckAsync(JsonNode rules)
    {
        Assert.SkipWhen(s_program is null, "promtool is not on the PATH");
        var file = Path.Combine(Directory.CreateTempSubdirectory("rules-").FullName, "rules.json");
        try
        {
            await File.WriteAllTextAsync(file, rules.ToJsonString(), TestContext.Current.CancellationToken);
            using var process = Process.Start(new ProcessStartInfo(s_program!, ["check", "rules", file]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output + await errors);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
    }
}
