using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

public class LinePlannerTests
{
    private readonly LineWorld _world = new();

    [Fact]
    public void Plan_IncompleteUpload_MakesNothing()
    {
        _world.Upload("v1", complete: false);
        Assert.Empty(_world.Settle());
        Assert.Equal("Uploading", _world.Model.Status!.Phase);
        Assert.Equal("MissingFiles", _world.Condition("UploadComplete").Reason);
    }

    [Fact]
    public void Plan_CompleteUpload_MakesDatasetRuntimeAndOneLoad()
    {
        _world.Upload("v1");
        var actions = _world.Settle();
        Assert.Equal(["ApplyDataset", "ApplyRuntime", "ApplyLoad"], actions.Select(a => a.GetType().Name));
        Assert.Equal("Warming", _world.Model.Status!.Phase);
    }

    [Fact]
    public void Plan_SameInputTwice_WritesNothingTheSecondTime()
    {
        _world.Upload("v1");
        _world.Settle();
        Assert.Empty(_world.Plan().Actions);
        _world.MakeWarm("v1");
        _world.Settle();
        Assert.Empty(_world.Plan().Actions);
    }

    [Fact]
    public void Plan_NotWarm_NoService()
    {
        _world.Upload("v1");
        _world.Settle();
        Assert.Null(_world.Service);
        _world.MakeWarm("v1");
        _world.Settle();
        Assert.NotNull(_world.Service);
    }

    [Fact]
    public void Plan_SecondVersion_NoTrafficUntilRevisionReadyAndGolden()
    {
        _world.Serve("v1");
        _world.Upload("v2", golden: true);
        _world.Settle();
        _world.MakeWarm("v2");
        _world.Settle();
        Assert.Equal(0, (int?)_world.Service!.Spec!.Predictor!["canaryTrafficPercent"]);

        _world.RevisionReady("v2");
        var prove = Assert.IsType<LineAction.Prove>(Assert.Single(_world.Plan().Actions));
        Assert.StartsWith("http://latest-", prove.Url, StringComparison.Ordinal);
        _world.Golden("v2", "Passed");
        _world.Settle();
        Assert.Null(_world.Service.Spec.Predictor["canaryTrafficPercent"]);
        Assert.Equal("v1", _world.Model.Status!.Version);

        _world.TrafficMoved();
        _world.Settle();
        Assert.Equal("v2", _world.Model.Status!.Version);
        Assert.Equal("Retired", _world.Version("v1").State);
    }

    [Fact]
    public void Plan_RevisionReadyWhileTheStoreIsSilent_NoTrafficBeforeItsGoldenQuestionsAreKnown()
    {
        _world.Serve("v1");
        _world.Upload("v2", golden: true);
        _world.Settle();
        _world.MakeWarm("v2");
        _world.Settle();
        _world.RevisionReady("v2");
        var plan = LinePlanner.Settle(_world.Observe() with { Uploads = UploadObservation.Failed("StoreUnreachable", "no answer", transient: true) }, _world.Now);
        Assert.Empty(plan.Actions);
        Assert.Null(plan.Status.Versions!.Find(v => v.Name == "v2")!.Golden);

        Assert.IsType<LineAction.Prove>(Assert.Single(_world.Plan().Actions));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Plan_GoldenQuestionsWithoutAnAnswer_AskedAgain_AndRefusedOnlyWhenTheTimeIsOver(bool first)
    {
        if (!first)
        {
            _world.Serve("v1");
        }

        _world.Upload("v2", golden: true);
        _world.Settle();
        _world.MakeWarm("v2");
        _world.Settle();
        _world.RevisionReady("v2");
        _world.Settle();
        Unanswered();
        Assert.Empty(_world.Plan().Actions);
        Assert.Equal("GoldenUnanswered", _world.Condition("RevisionReady").Reason);
        Assert.InRange(_world.Model.Status!.NextLook!.Value, _world.Now.AddSeconds(30), _world.Now.AddSeconds(32));

        _world.Now = _world.Model.Status.NextLook.Value;
        Assert.IsType<LineAction.Prove>(Assert.Single(_world.Plan().Actions));
        Assert.Equal("Warm", _world.Version("v2").State);

        _world.Now = _world.Now.AddSeconds(_world.Model.Spec!.Rollout.ReadyTimeoutSeconds);
        Unanswered();
        Assert.Equal("Refused", _world.Version("v2").State);
        Assert.Contains("the gateway is away", _world.Version("v2").Message, StringComparison.Ordinal);
        Assert.Equal(first, _world.Service!.Metadata.Annotations!.ContainsKey(ServingObjects.StopAnnotation));

        void Unanswered()
        {
            (_world.Version("v2").GoldenRetryAt, _world.Version("v2").Message) = (_world.Now + LineActor.AskAgain, "the gateway is away");
            _world.Settle();
        }
    }

    [Fact]
    public void Plan_AnotherRevisionOfWhatServes_IsNotSaidToHavePassed()
    {
        _world.Upload("v1", golden: true);
        _world.Settle();
        _world.MakeWarm("v1");
        _world.Settle();
        _world.RevisionReady("v1");
        _world.Golden("v1", "Passed");
        _world.Settle();
        _world.TrafficMoved();
        _world.Settle();
        Assert.Equal(("Serving", "Passed"), (_world.Version("v1").State, _world.Version("v1").Golden));
        Assert.Empty(_world.Plan().Actions);

        // Its predictor was edited.
        _world.RevisionReady("v1");
        _world.Settle();
        Assert.Equal("Unasked", _world.Version("v1").Golden);
        Assert.Contains(_world.Version("v1").Revision!, _world.Version("v1").Message, StringComparison.Ordinal);
        Assert.Contains("golden", _world.Condition("RevisionReady").Message, StringComparison.Ordinal);
        Assert.Empty(_world.Plan().Actions);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Plan_BadSecondVersion_FirstGoesOn(bool revisionFails)
    {
        _world.Serve("v1");
        _world.Upload("v2", golden: true);
        _world.Settle();
        _world.MakeWarm("v2");
        _world.Settle();
        if (revisionFails)
        {
            _world.RevisionFailed();
        }
        else
        {
            _world.RevisionReady("v2");
            _world.Golden("v2", "Failed");
        }

        _world.Settle();
        Assert.Equal("Refused", _world.Version("v2").State);
        Assert.Equal("v1", _world.Model.Status!.Version);
        Assert.Equal("Serving", _world.Model.Status.Phase);
        Assert.Equal(0, (int?)_world.Service!.Spec!.Predictor!["canaryTrafficPercent"]);
        Assert.Empty(_world.Plan().Actions);
    }

    [Fact]
    public void Plan_BadFirstVersion_ServiceStopped()
    {
        _world.Upload("v1", golden: true);
        _world.Settle();
        _world.MakeWarm("v1");
        _world.Settle();
        _world.RevisionFailed();
        _world.Settle();
        Assert.Equal("true", _world.Service!.Metadata.Annotations![ServingObjects.StopAnnotation]);
        Assert.Equal("Blocked", _world.Model.Status!.Phase);
    }

    [Fact]
    public void Plan_ThirdVersionArrivesWhileSecondWarms_NewestWins()
    {
        _world.Serve("v1");
        _world.Upload("v2");
        _world.Settle();
        _world.Upload("v3");
        _world.Settle();
        Assert.Equal("Retired", _world.Version("v2").State);
        Assert.Equal("Warming", _world.Version("v3").State);
    }

    [Fact]
    public void Plan_ServedVersionOverwritten_SaidAndNotRolledOut()
    {
        _world.Serve("v1");
        _world.Overwrite("v1");
        Assert.Empty(_world.Settle());
        Assert.Equal("True", _world.Condition("OverwrittenInPlace").Status);
        Assert.Equal("v1", _world.Model.Status!.Version);
    }

    [Fact]
    public void Plan_UnprovenWarmth_PreferGoesOnAfterTheLimitRequireDoesNot()
    {
        _world.Model.Spec!.Cache.Proof = "require";
        _world.Upload("v1");
        _world.Settle();
        _world.Now = _world.Now.AddHours(1);
        _world.Settle();
        Assert.Null(_world.Service);
        _world.Model.Spec.Cache.Proof = "prefer";
        _world.Settle();
        Assert.NotNull(_world.Service);
        Assert.Equal("True", _world.Condition("WarmthUnproven").Status);
    }

    [Fact]
    public void Plan_ServingUnproven_SaidAlsoWhileAnotherWarms_UntilItsBytesAreProven()
    {
        _world.Upload("v1");
        _world.Settle();
        _world.Now = _world.Now.AddHours(1);
        _world.Settle();
        _world.RollOut("v1");
        _world.Upload("v2");
        _world.Settle();
        Assert.Equal(("Serving", "Warming"), (_world.Version("v1").State, _world.Version("v2").State));
        Assert.Contains("version v1", _world.Condition("WarmthUnproven").Message, StringComparison.Ordinal);
        Assert.Equal("True", _world.Condition("WarmthUnproven").Status);

        _world.MakeWarm("v1");
        _world.Settle();
        Assert.Null(_world.Condition("WarmthUnproven"));
        Assert.NotNull(_world.Version("v1").LoadedAt);
        Assert.Empty(_world.Plan().Actions);
    }

    [Fact]
    public void Plan_Deleted_TutorialsOrder()
    {
        _world.Serve("v1");
        _world.Model.Metadata.DeletionTimestamp = _world.Now;
        Assert.Equal(
            ["DeleteService", "DeleteLoad", "DeleteDataset", "DeleteRuntime", "Finalize"],
            _world.Settle().Select(a => a.GetType().Name));
        Assert.Empty(_world.Datasets);
    }

    [Fact]
    public void Plan_Deleted_LabelsAloneMakeNothingOurs_ALostOwnerDoesNotKeepAnythingBack()
    {
        _world.Serve("v1");
        var ours = _world.Datasets.Single();
        ours.Metadata.OwnerReferences = null;
        _world.Datasets.Add(new() { Metadata = new() { Name = "not-ours", Namespace = "demo", Labels = new(ours.Metadata.Labels!) } });
        _world.Model.Metadata.DeletionTimestamp = _world.Now;
        _world.Settle();
        Assert.Equal("not-ours", Assert.Single(_world.Datasets).Metadata.Name);
    }

    [Fact]
    public void Plan_ForeignInferenceService_RefusedWithTheFix()
    {
        _world.Service = new() { Metadata = new() { Name = "fluid-bloom", Namespace = "demo" } };
        _world.Upload("v1");
        Assert.Empty(_world.Settle());
        Assert.Equal("ForeignObject", _world.Condition("Invalid").Reason);
        Assert.Contains("spec.serving.name", _world.Condition("Invalid").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Plan_KeepVersionsTwo_ThirdServedVersionLetsTheFirstCacheGo()
    {
        _world.Serve("v1");
        _world.Serve("v2");
        _world.Serve("v3");
        Assert.Equal(2, _world.Datasets.Count);
        Assert.Null(_world.Version("v1").Dataset);
        Assert.NotNull(_world.Version("v2").Dataset);
    }

    [Theory]
    [InlineData("ACK", true, false)]
    [InlineData("ACKServerless", false, true)]
    public void Service_Platform_LabelsAndGpu(string platform, bool gpu, bool eci)
    {
        _world.Model.Spec!.Serving.Platform = platform;
        _world.Model.Spec.Serving.EciSpecs = "ecs.gn6i-c16g1.4xlarge";
        _world.Serve("v1");
        var service = _world.Service!;
        var container = service.Spec!.Predictor!["containers"]![0]!;
        Assert.Equal(gpu, container["resources"]!["limits"]!["nvidia.com/gpu"] is not null);
        Assert.Equal(eci, service.Metadata.Labels!.ContainsKey("alibabacloud.com/fluid-sidecar-target"));
        Assert.Equal(eci, service.Metadata.Annotations!.ContainsKey("k8s.aliyun.com/eci-use-specs"));
        Assert.Equal(!eci, service.Metadata.Labels.ContainsKey("fuse.serverful.fluid.io/inject"));
        Assert.Contains($"pvc://{_world.Version("v1").Dataset}/", container["env"]!.ToJsonString(), StringComparison.Ordinal);
    }
}
