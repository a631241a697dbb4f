using System.Text.Json.Nodes;
using Prewarm.Functions.Events;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>The EventBridge pattern and the Triggers let through what the function acts on, and no part of an upload.</summary>
public sealed class EventPatternTests
{
    private static readonly string[] s_names =
    [
        "PutObject", "PostObject", "CopyObject", "AppendObject", "PutSymlink", "InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload",
    ];

    private static readonly List<string> s_counting =
        [.. s_names.Where(n => new OssObjectEvent("b", "k", "", 0, "ObjectCreated:" + n).Counts).Select(n => "oss:ObjectCreated:" + n).Order(StringComparer.Ordinal)];

    [Fact]
    public void EventBridgePattern_Types_AreWhatCounts()
    {
        var pattern = JsonNode.Parse(ManifestFolder.Read("eventing/alibaba/event-pattern.json"))!;
        Assert.Equal(s_counting, pattern["type"]!.AsArray().Select(t => t!.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal("acs.oss", pattern["source"]!.AsArray().Single()!.ToString());
    }

    [Fact]
    public void ExactTrigger_Types_AreWhatCounts()
    {
        var trigger = ManifestFolder.Objects("eventing/base/triggers.yaml").Single(t => t.Name() == "prewarm-uploads");
        Assert.Equal(s_counting, trigger.At("spec", "filters").Objects().Single()["any"].Objects().Select(f => f.Text("exact", "type")!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task CesqlTrigger_Types_AreWhatCounts()
    {
        var trigger = (await Kubectl.BuildAsync("eventing/overlays/cesql")).Single(t => t.Kind() == "Trigger" && t.Name() == "prewarm-uploads");
        var cesql = trigger.At("spec", "filters").Objects().Single().Text("cesql")!;
        Assert.Equal(s_counting, cesql.Split('\'').Where(w => w.StartsWith("oss:", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }
}
