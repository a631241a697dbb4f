using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The CachedModel CRD, as somebody meets it who has only kubectl.</summary>
public sealed class CrdTests(AppliedCluster cluster) : IClassFixture<AppliedCluster>
{
    private static readonly JsonObject s_crd = ManifestFolder.Objects("knative/base/cachedmodel-crd.yaml").Single();

    [Fact]
    public void Fields_All_SayWhatTheyAre()
    {
        var schema = (JsonObject)s_crd.At("spec", "versions").Objects().Single().At("schema", "openAPIV3Schema")!;
        var fields = Fields(schema, "").Where(f => f.Path.StartsWith("spec", StringComparison.Ordinal) || f.Path.StartsWith("status", StringComparison.Ordinal)).ToList();
        Assert.True(fields.Count > 100, $"only {fields.Count} fields");
        Assert.Equal([], fields.Where(f => string.IsNullOrWhiteSpace(f.Schema.Text("description"))).Select(f => f.Path));
    }

    [Fact]
    public void Fields_WithAnEnum_DefaultToOneOfIt()
    {
        var schema = (JsonObject)s_crd.At("spec", "versions").Objects().Single().At("schema", "openAPIV3Schema")!;
        Assert.All(Fields(schema, "").Where(f => f.Schema["enum"] is not null && f.Schema["default"] is not null),
            f => Assert.Contains(f.Schema.Text("default"), f.Schema["enum"]!.AsArray().Select(v => (string?)v)));
    }

    [Theory]
    [InlineData("cachedmodel", "where the model is uploaded to")]
    [InlineData("cm8l.spec.cache", "one of each per version")]
    [InlineData("cachedmodel.spec.source.complete.quietSeconds", "seconds without a change")]
    [InlineData("cachedmodel.status.conditions", "docs/operations.md")]
    public async Task Explain_StockKubectl_SaysIt(string field, string says)
    {
        Kubectl.OrSkip();
        var output = string.Join(' ', (await cluster.RunAsync("explain", field)).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(says, output, StringComparison.Ordinal);
    }

    private static IEnumerable<(string Path, JsonObject Schema)> Fields(JsonObject schema, string path) =>
        (schema["properties"] as JsonObject ?? []).Select(p => (Path: path.Length == 0 ? p.Key : $"{path}.{p.Key}", Schema: (JsonObject)p.Value!))
            .SelectMany(p => Fields(p.Schema, p.Path).Prepend(p))
            .Concat(schema["items"] is JsonObject items ? Fields(items, path + "[]") : []);
}
