using System.Text.Json;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>What somebody deletes is made again, in an order in which nothing unproven is served.</summary>
public class RepairTests
{
    private readonly LineWorld _world = new();

    [Fact]
    public void ServingVersion_DataLoadDeleted_MadeAgain()
    {
        _world.Serve("v1");
        _world.Loads.Clear();
        Assert.Equal(_world.Version("v1").DataLoad, Assert.IsType<LineAction.ApplyLoad>(Assert.Single(_world.Settle())).Load.Metadata.Name);
    }

    [Fact]
    public void ServingVersion_CacheMadeAgain_TheOldDataLoadGoesBeforeTheNextComes()
    {
        _world.Serve("v1");
        var load = Assert.Single(_world.Loads);
        _world.Now = _world.Now.AddMinutes(1);
        _world.Datasets.Single().Metadata.CreationTimestamp = _world.Now;
        Assert.IsType<LineAction.DeleteLoad>(Assert.Single(_world.Plan().Actions));
        load.Metadata.DeletionTimestamp = _world.Now;
        Assert.Empty(_world.Plan().Actions);
        _world.Loads.Clear();
        Assert.IsType<LineAction.ApplyLoad>(Assert.Single(_world.Settle()));
    }

    [Fact]
    public void AttemptGivenUp_StartedOnceMoreByOldNews_TheOlderGoesAndNoneIsMade()
    {
        _world.Upload("v1");
        _world.Settle();
        var first = Assert.Single(_world.Loads);
        _world.FailLoad("v1");
        _world.Settle();
        _world.Now = _world.Now.AddMinutes(10);
        _world.Settle();
        var second = _world.Version("v1").DataLoad;
        Assert.NotEqual(first.Metadata.Name, second);

        // A failed one stays, for people to look at; one that runs again does not.
        Assert.Empty(_world.Plan().Actions);
        first.Status = new() { Phase = "Executing" };
        Assert.Equal(first.Metadata.Name, Assert.IsType<LineAction.DeleteLoad>(Assert.Single(_world.Settle())).Name);
        Assert.Equal(second, Assert.Single(_world.Loads).Metadata.Name);
    }

    [Fact]
    public void ObjectsOfAVersionThatTheStatusDoesNotKnow_LeftToWhoMadeThemWhileYoung_ThenLetGo()
    {
        _world.Serve("v1");
        var model = new CachedModel { Metadata = _world.Model.Metadata, Spec = _world.Model.Spec, Status = _world.Model.Status };
        _world.Upload("v2");
        _world.Settle();
        // A replica that read the status before, then the objects, and whose listing has failed.
        var observed = _world.Observe() with { Model = model, Read = model.Status, Uploads = UploadObservation.Failed("StoreUnreachable", "no answer", transient: true) };
        var plan = LinePlanner.Settle(observed, _world.Now);
        Assert.Empty(plan.Actions);
        Assert.Equal(_world.Now + CleanupStage.Young + TimeSpan.FromSeconds(1), plan.Status.NextLook);

        Assert.Equal(["DeleteDataset", "DeleteLoad", "DeleteRuntime"],
            LinePlanner.Settle(observed, _world.Now + CleanupStage.Young).Actions.Select(a => a.GetType().Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void KeptVersion_DatasetDeletedAndLoadMadeOnceMoreByOldNews_TheLoadIsLetGoWhenItIsNoLongerYoung(bool datasetToo)
    {
        _world.Serve("v1");
        _world.Serve("v2");
        Assert.Equal(VersionState.Retired, _world.Version("v1").State);
        var (dataset, load) = (_world.Version("v1").Dataset!, _world.Version("v1").DataLoad!);
        // Its Dataset is there: the load belongs to the cache that is kept.
        Assert.Contains(_world.Loads, l => l.Metadata.Name == load);
        _world.Now += CleanupStage.Young;
        Assert.Empty(_world.Plan().Actions);

        Strand(dataset, load, datasetToo);
        Assert.Empty(_world.Plan().Actions);
        Assert.Equal(_world.Now + CleanupStage.Young + TimeSpan.FromSeconds(1), _world.Plan().Status.NextLook);

        _world.Now += CleanupStage.Young;
        Assert.Equal(load, Assert.IsType<LineAction.DeleteLoad>(Assert.Single(_world.Plan().Actions)).Name);
    }

    /// <summary>It is the newest revision, at 0 %, and nothing of it is loaded any more.</summary>
    [Fact]
    public void RefusedVersion_DatasetDeletedAndLoadMadeOnceMoreByOldNews_TheLoadIsLetGoWhenItIsNoLongerYoung()
    {
        _world.Serve("v1");
        _world.Refuse("v2");
        var (version, dataset, load) = (_world.Version("v2"), _world.Version("v2").Dataset!, _world.Version("v2").DataLoad!);
        Assert.Equal((VersionState.Refused, version.Digest), (version.State, _world.Service!.Metadata.Annotations![Ownership.DigestAnnotation]));
        Strand(dataset, load, datasetToo: false);
        Assert.Empty(_world.Plan().Actions);
        _world.Now += CleanupStage.Young;
        Assert.Equal(load, Assert.IsType<LineAction.DeleteLoad>(Assert.Single(_world.Plan().Actions)).Name);
    }

    /// <summary>Somebody deletes a cache, and old news makes its load once more.</summary>
    /// <param name="datasetToo">And the Dataset as well, and is killed before its runtime.</param>
    private void Strand(string dataset, string load, bool datasetToo)
    {
        _world.Datasets.RemoveAll(d => d.Metadata.Name == dataset && !datasetToo);
        _world.Runtimes.RemoveAll(r => r.Metadata.Name == dataset);
        var stranded = _world.Loads.Find(l => l.Metadata.Name == load)!;
        (stranded.Status, stranded.Metadata.CreationTimestamp) = (null, _world.Now);
    }

    [Fact]
    public void NextVersionIsWarm_ServiceDeleted_TheServedVersionGetsItBackFirst()
    {
        _world.Serve("v1");
        _world.Upload("v2", golden: true);
        _world.Settle();
        _world.MakeWarm("v2");
        _world.Service = null;
        _world.Settle();
        Assert.Equal(_world.Version("v1").Digest, _world.Service!.Metadata.Annotations![Ownership.DigestAnnotation]);
        Assert.Equal("ServiceRestored", _world.Condition("RevisionReady").Reason);

        _world.RevisionReady("v1");
        _world.Settle();
        Assert.Equal(_world.Version("v1").Digest, _world.Service.Metadata.Annotations![Ownership.DigestAnnotation]);
        _world.TrafficMoved();
        _world.Settle();
        Assert.Equal(_world.Version("v2").Digest, _world.Service.Metadata.Annotations![Ownership.DigestAnnotation]);
        Assert.Equal(0, (int?)_world.Service.Spec!.Predictor!["canaryTrafficPercent"]);
    }

    [Fact]
    public void NextVersionWarms_WhatTheServedOneNeedsIsDeleted_MadeAgain()
    {
        _world.Serve("v1");
        _world.Upload("v2");
        _world.Settle();
        _world.Service = null;
        var served = _world.Version("v1");
        _world.Datasets.RemoveAll(d => d.Metadata.Name == served.Dataset);
        _world.Runtimes.RemoveAll(d => d.Metadata.Name == served.Dataset);
        _world.Loads.RemoveAll(d => d.Metadata.Name == served.DataLoad);
        Assert.Equal(["ApplyDataset", "ApplyLoad", "ApplyRuntime", "ApplyService"], _world.Settle().Select(a => a.GetType().Name).Order(StringComparer.Ordinal));
        Assert.Equal(served.Digest, _world.Service!.Metadata.Annotations![Ownership.DigestAnnotation]);
    }

    [Fact]
    public void Deletion_WhatIsOnItsWayOut_IsWaitedForAndNotDeletedAgain()
    {
        _world.Serve("v1");
        _world.Model.Metadata.DeletionTimestamp = _world.Now;
        _world.Service!.Metadata.DeletionTimestamp = _world.Now;
        Assert.Empty(_world.Plan().Actions);
    }

    [Theory]
    [InlineData("""{"ownerReferences":[{"uid":"dataset"},{"uid":"ours","controller":true}]}""", """{"ownerReferences":[{"uid":"ours","controller":true}]}""", true)]
    [InlineData("""{"ownerReferences":[{"uid":"dataset"}]}""", """{"ownerReferences":[{"uid":"ours"}]}""", false)]
    [InlineData("""{"limits":{"cpu":"500m","nvidia.com/gpu":"1"}}""", """{"limits":{"cpu":"0.5","nvidia.com/gpu":1}}""", true)]
    [InlineData("""{"limits":{"cpu":"500m"}}""", """{"limits":{"cpu":"1"}}""", false)]
    [InlineData("""{"value":"1"}""", """{"value":"1.0"}""", false)]
    [InlineData("""{"mounts":[{"name":"a"},{"name":"b"}]}""", """{"mounts":[{"name":"a"}]}""", false)]
    public void Covers_OthersOwnersAndWebhooksQuantities(string observed, string desired, bool covers) =>
        Assert.Equal(covers, JsonSubset.Covers(JsonElement.Parse(observed), JsonElement.Parse(desired)));
}
