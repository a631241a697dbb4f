using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>affinity: required, and a pod that finds no node by the cache.</summary>
public sealed class PlacementTests
{
    private readonly LineWorld _world = new();

    public PlacementTests() => _world.Model.Spec!.Serving.Affinity = "required";

    private bool Required => _world.Service!.Metadata.Labels!.GetValueOrDefault(ServingObjects.Required(_world.Version("v1").Dataset!)) == "required";

    [Fact]
    public void ServedVersion_WhosePodWaitsTooLong_IsRelaxedOnce_AndTheNextVersionIsNot()
    {
        _world.Serve("v1");
        Assert.True(Required);
        var revision = _world.Version("v1").Revision!;
        _world.Unplaced[revision] = _world.Now;
        _world.Now = _world.Now.AddSeconds(119);
        Assert.Empty(_world.Settle());
        Assert.InRange(_world.Model.Status!.NextLook!.Value, _world.Now.AddSeconds(1), _world.Now.AddSeconds(2));
        Assert.DoesNotContain(_world.Model.Status.Conditions!, c => c.Type == "PlacementRelaxed");

        _world.Now = _world.Now.AddSeconds(1);
        Assert.IsType<LineAction.ApplyService>(Assert.Single(_world.Settle()));
        Assert.Equal((false, "true"), (Required, _world.Service!.Metadata.Labels!["fuse.serverful.fluid.io/inject"]));
        Assert.Equal(("True", "NoRoomByTheCache"), (_world.Condition("PlacementRelaxed").Status, _world.Condition("PlacementRelaxed").Reason));
        Assert.Equal(VersionState.Serving, _world.Version("v1").State);

        // Its new revision takes the traffic; the old one's pod may still be seen.
        _world.RevisionReady("v1");
        _world.TrafficMoved();
        Assert.Empty(_world.Settle());
        Assert.NotEqual(revision, _world.Version("v1").Revision);
        _world.Now = _world.Now.AddHours(1);
        Assert.Empty(_world.Settle());

        _world.Serve("v2");
        Assert.Equal("required", _world.Service!.Metadata.Labels!.GetValueOrDefault(ServingObjects.Required(_world.Version("v2").Dataset!)));
    }

    [Fact]
    public void NewVersion_WhosePodIsSeenWithoutANode_WaitsForTheLimit_ThenItsNextRevisionServes()
    {
        _world.Upload("v1");
        _world.Settle();
        _world.MakeWarm("v1");
        _world.Settle();
        _world.Unplaced["fluid-bloom-predictor-00001"] = _world.Now;
        _world.RevisionUnschedulable("v1");
        _world.Settle();
        Assert.Equal((VersionState.Warm, true), (_world.Version("v1").State, Required));
        _world.Now = _world.Now.AddSeconds(120);
        _world.Settle();
        Assert.Equal((VersionState.Warm, false), (_world.Version("v1").State, Required));
        _world.RollOut("v1");
        Assert.Equal(VersionState.Serving, _world.Version("v1").State);
    }

    /// <summary>Fluid's labels, prepared before any wake. ECI pods run on no node of ours.</summary>
    [Theory]
    [InlineData("required", "ACK", "true", "required")]
    [InlineData("preferred", "ACK", "true", null)]
    [InlineData("off", "ACK", null, null)]
    [InlineData("required", "ACKServerless", null, null)]
    [InlineData("preferred", "ACKServerless", null, null)]
    public void Affinity_IsLabelledWherePodsHaveNodes(string affinity, string platform, string? inject, string? required)
    {
        (_world.Model.Spec!.Serving.Affinity, _world.Model.Spec.Serving.Platform) = (affinity, platform);
        _world.Serve("v1");
        var labels = _world.Service!.Metadata.Labels!;
        Assert.Equal((inject, required), (labels.GetValueOrDefault("fuse.serverful.fluid.io/inject"), labels.GetValueOrDefault(ServingObjects.Required(_world.Version("v1").Dataset!))));
    }

    [Theory]
    [InlineData("preferred", "ACK")]
    [InlineData("required", "ACKServerless")]
    public void WhereNothingIsRequired_NothingIsRelaxed(string affinity, string platform)
    {
        (_world.Model.Spec!.Serving.Affinity, _world.Model.Spec.Serving.Platform) = (affinity, platform);
        _world.Serve("v1");
        _world.Unplaced[_world.Version("v1").Revision!] = _world.Now.AddHours(-1);
        Assert.Empty(_world.Settle());
        Assert.Null(_world.Version("v1").Relaxed);
    }
}
