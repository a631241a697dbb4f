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

    /// <summary>On series as a Prometheus would have them, minute by minute.</summary>
    [Theory]
    [InlineData("PrewarmColdServes", "prewarm_activations_total{model='d/m',verdict='Local'} 0+1x70", "prewarm_activations_total{model='d/m',verdict='Remote'} 0+1x70", """{"severity":"warning","model":"d/m"}""")]
    [InlineData("PrewarmColdServes", "prewarm_activations_total{model='d/m',verdict='Spread'} 0+1x70", "prewarm_activations_total{model='d/m',verdict='Cold'} 0x69 1", null)]
    [InlineData("PrewarmUploadStalled", "prewarm_uploads_stalled_total{model='d/m',reason='UploadStalled'} 0x60 1x10", "prewarm_uploads_stalled_total{model='d/n',reason='UploadStalled'} 3x70", """{"severity":"warning","model":"d/m","reason":"UploadStalled"}""")]
    [InlineData("PrewarmHoldsWasted", "prewarm_prediction_total{result='wasted'} 0+2x70", "prewarm_prediction_total{result='hit'} 0+1x70", """{"severity":"info"}""")]
    [InlineData("PrewarmHoldsWasted", "prewarm_prediction_total{result='wasted'} 0+1x70", "prewarm_prediction_total{result='hit'} 0+2x70", null)]
    [InlineData("PrewarmPrometheusUnread", "prewarm_prometheus_polls_total{result='unreachable'} 0+1x70", "prewarm_prometheus_polls_total{result='read'} 0+1x70", """{"severity":"warning","result":"unreachable"}""")]
    [InlineData("PrewarmPrometheusUnread", "prewarm_prometheus_polls_total{result='unreachable'} 0x60 1x10", "prewarm_prometheus_polls_total{result='partial'} 0+1x70", null)]
    public async Task Alert_OnASeries_Fires(string alert, string series, string other, string? labels)
    {
        var folder = Directory.CreateTempSubdirectory("rules-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "rules.json"), ManifestFolder.Objects("knative/monitoring/rules.yaml").Single().At("spec")!.ToJsonString(), TestContext.Current.CancellationToken);
            static JsonObject Series(string text) => new() { ["series"] = text[..(text.IndexOf('}') + 1)].Replace('\'', '"'), ["values"] = text[(text.IndexOf('}') + 2)..] };
            var rule = ManifestFolder.Objects("knative/monitoring/rules.yaml").Single().At("spec", "groups").Objects().SelectMany(g => g["rules"].Objects()).Single(r => r.Text("alert") == alert);
            var expected = new JsonArray();
            if (labels is not null)
            {
                var annotations = new JsonObject();
                foreach (var (name, text) in rule["annotations"]!.AsObject())
                {
                    annotations[name] = JsonNode.Parse(labels)!.AsObject().Aggregate(text!.ToString(), (t, l) => t.Replace($"{{{{ $labels.{l.Key} }}}}", l.Value!.ToString(), StringComparison.Ordinal));
                }

                expected.Add((JsonNode)new JsonObject { ["exp_labels"] = JsonNode.Parse(labels), ["exp_annotations"] = annotations });
            }

            var file = Path.Combine(folder.FullName, "tests.json");
            await File.WriteAllTextAsync(file, new JsonObject
            {
                ["rule_files"] = new JsonArray("rules.json"),
                ["evaluation_interval"] = "1m",
                ["tests"] = new JsonArray(new JsonObject
                {
                    ["interval"] = "1m",
                    ["input_series"] = new JsonArray(Series(series), Series(other)),
                    ["alert_rule_test"] = new JsonArray(new JsonObject { ["eval_time"] = "70m", ["alertname"] = alert, ["exp_alerts"] = expected }),
                }),
            }.ToJsonString(), TestContext.Current.CancellationToken);
            var (code, output) = await RunAsync("test", file);
            Assert.True(code == 0, output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<(int Code, string Output)> RunAsync(string verb, string file)
    {
        Assert.SkipWhen(s_program is null, "promtool is not on the PATH");
        using var process = Process.Start(new ProcessStartInfo(s_program!, [verb, "rules", file]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output + await errors);
    }

    private static async Task<(int Code, string Output)> CheckAsync(JsonNode rules)
    {
        Assert.SkipWhen(s_program is null, "promtool is not on the PATH");
        var file = Path.Combine(Directory.CreateTempSubdirectory("rules-").FullName, "rules.json");
        try
        {
            await File.WriteAllTextAsync(file, rules.ToJsonString(), TestContext.Current.CancellationToken);
            return await RunAsync("check", file);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
    }
}
