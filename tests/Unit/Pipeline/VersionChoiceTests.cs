using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>What people say by annotation: pause, pin, rollback, retry.</summary>
public class VersionChoiceTests
{
    private readonly LineWorld _world = new();

    [Fact]
    public void Paused_UploadIsNotedAndNothingElseHappens()
    {
        _world.Annotate(VersionChoice.PausedAnnotation, "true");
        _world.Upload("v1");
        Assert.Empty(_world.Settle());
        Assert.Equal("Complete", _world.Version("v1").State);
        Assert.Equal("True", _world.Condition("Paused").Status);
        _world.Annotate(VersionChoice.PausedAnnotation, null);
        Assert.NotEmpty(_world.Settle());
        Assert.Null(_world.Condition("Paused"));
    }

    [Fact]
    public void Paused_DuringARollout_NoClockRuns()
    {
        _world.Serve("v1");
        _world.Upload("v2");
        _world.Settle();
        _world.MakeWarm("v2");
        _world.Settle();
        _world.Annotate(VersionChoice.PausedAnnotation, "true");
        _world.Settle();
        Assert.Equal("True", _world.Condition("Ready").Status);
        _world.Now = _world.Now.AddHours(10);
        _world.Settle();
        _world.Annotate(VersionChoice.PausedAnnotation, null);
        _world.Settle();
        Assert.Equal("Warm", _world.Version("v2").State);
    }

    [Fact]
    public void Pin_NewerUploadWaitsUntilItIsRemoved()
    {
        _world.Serve("v1");
        _world.Annotate(VersionChoice.PinAnnotation, "v1");
        _world.Upload("v2");
        Assert.Empty(_world.Settle());
        Assert.Equal("Complete", _world.Version("v2").State);
        Assert.Equal("True", _world.Condition("Pinned").Status);
        _world.Annotate(VersionChoice.PinAnnotation, null);
        _world.Settle();
        Assert.Equal("Warming", _world.Version("v2").State);
    }

    [Fact]
    public void Pin_ToAnOlderVersion_RollsItOutWithoutADropInServing()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.PinAnnotation, "v1");
        _world.Settle();
        Assert.Equal(0, (int?)_world.Service!.Spec!.Predictor!["canaryTrafficPercent"]);
        Assert.Equal("v2", _world.Model.Status!.Version);
        _world.RollOut("v1");
        Assert.Equal("v1", _world.Model.Status!.Version);
        Assert.Equal("Retired", _world.Version("v2").State);
        Assert.Empty(_world.Plan().Actions);
    }

    [Fact]
    public void Pin_ToAVersionThatIsNotThere_SaidAndNothingMoves()
    {
        _world.Serve("v1");
        _world.Annotate(VersionChoice.PinAnnotation, "v9");
        _world.Upload("v2");
        Assert.Empty(_world.Settle());
        Assert.Equal("VersionUnknown", _world.Condition("Pinned").Reason);
        Assert.Equal("v1", _world.Model.Status!.Version);
    }

    [Theory]
    [InlineData("previous")]
    [InlineData("v1")]
    public void Rollback_ServedVersionKeepsTheTrafficUntilTheOldOneHasIt(string wanted)
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, wanted);
        _world.Settle();
        Assert.Equal("v2", _world.Model.Status!.Version);
        Assert.Equal("RollingBack", _world.Condition("RolledBack").Reason);
        _world.RollOut("v1");
        Assert.Equal("v1", _world.Model.Status!.Version);
        Assert.Equal("Refused", _world.Version("v2").State);
        Assert.Equal("True", _world.Condition("RolledBack").Status);
        // The annotation stays: it must not roll back further, or forth.
        Assert.Empty(_world.Plan().Actions);
        _world.Now = _world.Now.AddHours(1);
        Assert.Empty(_world.Settle());
        Assert.Equal("v1", _world.Model.Status!.Version);
    }

    [Fact]
    public void Rollback_ThenANewUpload_RollsOutAsEver()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, "previous");
        _world.Settle();
        _world.RollOut("v1");
        _world.Serve("v3");
        Assert.Equal("v3", _world.Model.Status!.Version);
        Assert.Equal("Refused", _world.Version("v2").State);
    }

    [Fact]
    public void Rollback_TheOldVersionFails_WhatServedGoesOn()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, "previous");
        _world.Settle();
        _world.RevisionFailed();
        _world.Settle();
        Assert.Equal("Refused", _world.Version("v1").State);
        Assert.Equal("v2", _world.Model.Status!.Version);
        Assert.Equal("VersionRefused", _world.Condition("RolledBack").Reason);
        Assert.Empty(_world.Plan().Actions);
    }

    [Fact]
    public void Rollback_NewerUploadMeanwhile_WaitsUntilTheOldOneServes()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, "v1");
        _world.Settle();
        _world.Upload("v3");
        _world.Settle();
        Assert.Equal(("Warm", "Complete"), (_world.Version("v1").State, _world.Version("v3").State));
        Assert.Contains("v1", _world.Version("v3").Message, StringComparison.Ordinal);
        Assert.Equal(("False", "RollingBack"), (_world.Condition("RolledBack").Status, _world.Condition("RolledBack").Reason));
        Assert.Empty(_world.Plan().Actions);

        _world.RollOut("v1");
        Assert.Equal(("v1", "Refused"), (_world.Model.Status!.Version, _world.Version("v2").State));
        Assert.Equal("True", _world.Condition("RolledBack").Status);
        _world.MakeWarm("v3");
        _world.Settle();
        _world.RollOut("v3");
        Assert.Equal("v3", _world.Model.Status!.Version);
        Assert.Equal("True", _world.Condition("RolledBack").Status);
    }

    [Fact]
    public void Rollback_GivenUpForAPin_IsNotSaidToBeDone()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, "v1");
        _world.Settle();
        _world.Annotate(VersionChoice.PinAnnotation, "v3");
        _world.Upload("v3");
        _world.Settle();
        Assert.Equal(("Retired", "Warming"), (_world.Version("v1").State, _world.Version("v3").State));
        Assert.Equal("False", _world.Condition("RolledBack").Status);
        _world.MakeWarm("v3");
        _world.Settle();
        _world.RollOut("v3");
        Assert.Equal("False", _world.Condition("RolledBack").Status);
    }

    [Fact]
    public void Rollback_FolderAndCacheAreGone_RefusedAndSaid()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Serve("v3");
        _world.Remove("v1");
        _world.Annotate(VersionChoice.RollbackAnnotation, "v1");
        Assert.Empty(_world.Settle());
        Assert.Equal(("False", "VersionGone"), (_world.Condition("RolledBack").Status, _world.Condition("RolledBack").Reason));
        Assert.Null(_world.Version("v3").Withdrawn);
        Assert.Equal("True", _world.Condition("Ready").Status);
    }

    [Fact]
    public void Rollback_FolderAndCacheGoOnTheWay_RefusedAndWhatServesGoesOn()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, "v1");
        _world.Settle();
        _world.Remove("v1");
        _world.Datasets.RemoveAll(d => d.Metadata.Name == _world.Version("v1").Dataset);
        _world.Upload("v3");
        _world.Settle();
        Assert.Equal(("Refused", "Warming"), (_world.Version("v1").State, _world.Version("v3").State));
        Assert.Equal("VersionRefused", _world.Condition("RolledBack").Reason);
        Assert.Equal("v2", _world.Model.Status!.Version);
    }

    [Fact]
    public void ManyRefusedVersions_NoneIsTriedTwice_NorTheOneThatWasRolledBackFrom()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Annotate(VersionChoice.RollbackAnnotation, "previous");
        _world.Settle();
        _world.RollOut("v1");
        var loads = 0;
        for (var version = 3; version < 33; version++)
        {
            _world.Upload($"v{version}");
            loads += _world.Settle().Count(a => a is LineAction.ApplyLoad);
            Assert.Equal("Warming", _world.Version($"v{version}").State);
            _world.MakeWarm($"v{version}");
            loads += _world.Settle().Count(a => a is LineAction.ApplyLoad);
            _world.RevisionFailed();
            loads += _world.Settle().Count(a => a is LineAction.ApplyLoad);
        }

        Assert.Equal(30, loads);
        Assert.Equal("v1", _world.Model.Status!.Version);
        Assert.Equal("Refused", _world.Version("v2").State);
    }

    [Fact]
    public void ManyVersions_StatusStaysBounded_AndTheWayBackIsKept()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        for (var version = 100; version < 400; version++)
        {
            _world.Upload($"v{version}", complete: version % 2 == 0);
        }

        _world.Settle();
        Assert.InRange(_world.Model.Status!.Versions!.Count, 1, 100);
        Assert.Equal("Warming", _world.Version("v398").State);
        _world.MakeWarm("v398");
        _world.Settle();
        _world.RollOut("v398");
        Assert.Equal("v398", _world.Model.Status!.Version);
        Assert.Empty(_world.Plan().Actions);
        _world.Annotate(VersionChoice.RollbackAnnotation, "previous");
        _world.Settle();
        Assert.Equal("Warm", _world.Version("v2").State);
    }

    [Fact]
    public void Rollback_NothingBefore_Said()
    {
        _world.Serve("v1");
        _world.Annotate(VersionChoice.RollbackAnnotation, "previous");
        Assert.Empty(_world.Settle());
        Assert.Equal("VersionUnknown", _world.Condition("RolledBack").Reason);
        Assert.Equal("v1", _world.Model.Status!.Version);
    }

    [Fact]
    public void Retry_RefusedVersion_GetsANewRevisionOnce()
    {
        _world.Serve("v1");
        _world.Refuse("v2");
        Assert.Equal("Refused", _world.Version("v2").State);

        _world.Annotate(VersionChoice.RetryAnnotation, _world.Version("v2").Digest);
        _world.Settle();
        Assert.Equal("1", _world.Service!.Metadata.Annotations![ServingObjects.AttemptAnnotation]);
        Assert.Equal("Warm", _world.Version("v2").State);
        _world.RevisionFailed();
        _world.Settle();
        Assert.Equal("Refused", _world.Version("v2").State);
        Assert.Empty(_world.Plan().Actions);

        _world.Annotate(VersionChoice.RetryAnnotation, null);
        _world.Settle();
        _world.Annotate(VersionChoice.RetryAnnotation, _world.Version("v2").Digest);
        _world.Settle();
        _world.RollOut("v2");
        Assert.Equal("v2", _world.Model.Status!.Version);
    }
}
