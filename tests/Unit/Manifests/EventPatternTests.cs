using System.Text.Json.Nodes;
using Prewarm.Functions.Events;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Eventing;
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

    /// <summary>Through the broker's own filters: one subscriber for what somebody acts on, none for the rest.</summary>
    [Theory]
    [InlineData("oss:ObjectCreated:CompleteMultipartUpload", "acs.oss", "prewarm-uploads")]
    [InlineData("oss:ObjectCreated:UploadPart", "acs.oss", null)]
    [InlineData("oss:ObjectCreated:PutObject", "somebody", null)]
    [InlineData("dev.knative.apiserver.resource.update", "https://10.0.0.1:443", "prewarm-cluster")]
    [InlineData("dev.knative.apiserver.ref.update", "https://10.0.0.1:443", null)]
    [InlineData("dev.knative.sources.ping", "/apis/v1/namespaces/prewarm-system/pingsources/prewarm-sweep", "prewarm-sweep")]
    [InlineData("dev.knative.sources.ping", "/apis/v1/namespaces/prewarm-system/pingsources/another", null)]
    [InlineData("dev.prewarm.traffic.observed", "/prewarm/relay", "prewarm-traffic")]
    [InlineData("dev.knative.sources.ping", "/apis/v1/namespaces/prewarm-system/pingsources/prewarm-tick", "prewarm-tick")]
    public void Triggers_Event_GoesToOneSubscriberOrNone(string type, string source, string? trigger)
    {
        var message = EventMessage.Create(type, source, TimeProvider.System.GetUtcNow(), "application/json", default);
        var passing = ManifestFolder.Objects("eventing/base/triggers.yaml").Where(t => EventFilter.Of(t).Passes(message)).Select(t => t.Name());
        Assert.Equal(trigger is null ? [] : [trigger], passing);
    }
}
