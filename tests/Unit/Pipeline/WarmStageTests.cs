using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Warm;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>DataLoads that fail, Datasets that are adopted, and where the bytes lie.</summary>
public class WarmStageTests
{
    private readonly LineWorld _world = new();

    [Fact]
    public void FailedLoad_TriedAgainLaterUnderAnotherName()
    {
        _world.Upload("v1");
        _world.Settle();
        var first = _world.Version("v1").DataLoad;
        _world.FailLoad("v1");
        Assert.Empty(_world.Settle());
        Assert.Equal("LoadFailed", _world.Condition("CacheWarm").Reason);
        Assert.Contains("BackoffLimitExceeded", _world.Condition("CacheWarm").Message, StringComparison.Ordinal);
        Assert.InRange(_world.Model.Status!.NextLook!.Value, _world.Now.AddSeconds(30), _world.Now.AddSeconds(32));
        Assert.Empty(_world.Plan().Actions);

        _world.Now = _world.Model.Status.NextLook.Value;
        var load = Assert.IsType<LineAction.ApplyLoad>(Assert.Single(_world.Settle())).Load;
        Assert.Equal(first + "-2", load.Metadata.Name);
        _world.MakeWarm("v1");
        _world.Settle();
        Assert.Equal("Warm", _world.Version("v1").State);
        Assert.Null(_world.Version("v1").LoadFailures);
    }

    /// <summary>What a budget has paid for ends although nobody is there to take it back; renewed, it goes on.</summary>
    [Fact]
    public void CacheKeptUntil_NoWorkersAfterIt_AndALookThen()
    {
        _world.Serve("v1");
        _world.Settle();
        var until = _world.Now.AddMinutes(30);
        _world.Annotate(Ownership.CacheAnnotation, new CacheMark(false, until).Text);
        Assert.Empty(_world.Settle());
        Assert.InRange(_world.Model.Status!.NextLook!.Value, until, until.AddSeconds(2));
        _world.Now = until.AddSeconds(1);
        Assert.Equal(0, Assert.IsType<LineAction.ApplyRuntime>(Assert.Single(_world.Settle())).Runtime.Spec!.Replicas);
        _world.Annotate(Ownership.CacheAnnotation, new CacheMark(false, _world.Now.AddMinutes(30)).Text);
        Assert.Equal(2, Assert.IsType<LineAction.ApplyRuntime>(Assert.Single(_world.Settle())).Runtime.Spec!.Replicas);
        _world.Annotate(Ownership.CacheAnnotation, "released");
        Assert.Equal(0, Assert.IsType<LineAction.ApplyRuntime>(Assert.Single(_world.Settle())).Runtime.Spec!.Replicas);
        // What cannot be read asks for nothing.
        _world.Annotate(Ownership.CacheAnnotation, "until tomorrow");
        Assert.Equal(2, Assert.IsType<LineAction.ApplyRuntime>(Assert.Single(_world.Settle())).Runtime.Spec!.Replicas);
    }

    /// <summary>What is paid for ends also where the version's folder has been deleted since.</summary>
    [Fact]
    public void CacheKeptUntil_FolderIsGone_NoWorkersAfterItAllTheSame()
    {
        _world.Serve("v1");
        _world.Settle();
        _world.Annotate(Ownership.CacheAnnotation, new CacheMark(false, _world.Now.AddMinutes(30)).Text);
        _world.Settle();
        _world.Remove("v1");
        Assert.Empty(_world.Settle());
        Assert.NotNull(_world.Model.Status!.NextLook);
        _world.Now = _world.Now.AddMinutes(31);
        Assert.Equal(0, Assert.IsType<LineAction.ApplyRuntime>(Assert.Single(_world.Settle())).Runtime.Spec!.Replicas);
    }

    [Fact]
    public void CacheTakenBack_WithAsManyWorkersAsAsked_EachHasACopy_AndSoManyUntilItIsLetGo()
    {
        _world.Model.Spec!.Prewarm.MaxCacheWorkers = 4;
        _world.Serve("v1");
        _world.Settle();
        // One that is there keeps its workers: an empty one is of no use, and the proof would fail.
        Assert.Equal((2, null), Asked("workers 3"));
        Assert.Equal((0, null), Asked("released"));
        Assert.Equal((3, 3), Asked("workers 3"));
        Assert.Contains("3 copies", _world.Condition("CacheWarm").Message, StringComparison.Ordinal);
        Assert.Equal((3, 3), Asked("workers 4 until 2100-01-01T00:00:00Z"));
        Assert.Equal((3, 3), Asked(null));
        // What was written of it is lost.
        _world.Version("v1").Workers = null;
        Assert.Equal((3, 3), Asked("workers 3"));
        // A version that comes while so many are asked for has them too.
        _world.Upload("v2");
        Assert.Equal((3, 3), Asked("workers 3", "v2"));
        Assert.Equal(3, _world.Loads.Find(l => l.Metadata.Name == _world.Version("v2").DataLoad)!.Spec!.Target![0].Replicas);
        Assert.Equal((3, 3), Asked("released", "v2"));
        Assert.Equal(0, Asked("released").Workers);
        // Not more than a person allows, and not less than the spec says.
        Assert.Equal((4, 4), Asked("workers 99"));
        Assert.Equal(0, Asked("released").Workers);
        Assert.Equal((2, null), Asked("workers 1"));
        Assert.Equal(0, Asked("released").Workers);
        _world.Model.Spec.Prewarm.MaxCacheWorkers = null;
        Assert.Equal((2, null), Asked("workers 3"));
    }

    /// <summary>With copies of its own a cache has more workers and not more copies.</summary>
    [Fact]
    public void CacheTakenBack_CopiesThatThePersonCounts_StayAsMany()
    {
        (_world.Model.Spec!.Prewarm.MaxCacheWorkers, _world.Model.Spec.Cache.Copies) = (4, 1);
        _world.Serve("v1");
        _world.Settle();
        Asked("released");
        Assert.Equal((4, 4), Asked("workers 4"));
        Assert.Equal(1, WarmObjects.Copies(_world.Model, _world.Version("v1")));
    }

    [Theory]
    [InlineData("workers 3 until 2026-11-29T10:00:00Z", 3, true)]
    [InlineData("until 2026-11-29T10:00:00Z", null, true)]
    [InlineData("workers 3", 3, false)]
    public void CacheMark_IsReadAsWritten(string text, int? workers, bool ends)
    {
        _world.Annotate(Ownership.CacheAnnotation, text);
        var mark = CacheMark.Of(_world.Model);
        Assert.Equal((workers, ends, false, text), (mark.Workers, mark.Until is not null, mark.Released, mark.Text));
    }

    [Theory]
    [InlineData("workers")]
    [InlineData("workers 0")]
    [InlineData("workers -3")]
    [InlineData("workers 99999999999")]
    [InlineData("workers three until")]
    [InlineData("released workers 3")]
    public void CacheMark_ThatCannotBeRead_AsksForNothing(string text)
    {
        _world.Annotate(Ownership.CacheAnnotation, text);
        Assert.Equal(default, CacheMark.Of(_world.Model));
    }

    private (int? Workers, int? Noted) Asked(string? mark, string version = "v1")
    {
        _world.Annotate(Ownership.CacheAnnotation, mark);
        _world.Settle();
        return (_world.Runtimes.Find(r => r.Metadata.Name == _world.Version(version).Dataset)!.Spec!.Replicas, _world.Version(version).Workers);
    }

    [Fact]
    public void FailedLoads_BoundedThenAPersonMayAskForMore()
    {
        _world.Model.Spec!.Cache.Proof = "require";
        _world.Upload("v1");
        _world.Settle();
        for (var failure = 0; failure < 20; failure++)
        {
            _world.FailLoad("v1");
            _world.Settle();
            _world.Now = _world.Now.AddHours(3);
            _world.Settle();
        }

        Assert.Equal(WarmStage.MaxLoadFailures, _world.Loads.Count);
        Assert.Null(_world.Model.Status!.NextLook);
        Assert.Contains(VersionChoice.RetryAnnotation, _world.Condition("CacheWarm").Message, StringComparison.Ordinal);

        _world.Annotate(VersionChoice.RetryAnnotation, _world.Version("v1").Digest);
        Assert.IsType<LineAction.ApplyLoad>(Assert.Single(_world.Settle()));
        Assert.All(_world.Loads, l => Assert.InRange(l.Metadata.Name!.Length, 1, FluidNames.MaxDataLoadName));
    }

    [Fact]
    public void FailedLoads_UnderPrefer_DelayServingButDoNotStopIt()
    {
        _world.Upload("v1");
        _world.Settle();
        var began = _world.Now;
        for (var failure = 0; failure < 4 && _world.Service is null; failure++)
        {
            _world.FailLoad("v1");
            _world.Settle();
            _world.Now = _world.Now.AddSeconds(_world.Model.Spec!.Cache.WarmTimeoutSeconds / 2.0);
            _world.Settle();
        }

        Assert.NotNull(_world.Service);
        Assert.Equal(_world.Model.Spec!.Cache.WarmTimeoutSeconds, (_world.Now - began).TotalSeconds);
        Assert.Contains(_world.Loads, l => l.Metadata.Name == _world.Version("v1").DataLoad);
        Assert.Equal("True", _world.Condition("WarmthUnproven").Status);
    }

    [Fact]
    public void Adopted_NeverWrittenNeverDeleted()
    {
        Adopt(cached: "1.00GiB");
        _world.Upload("v1");
        var load = Assert.IsType<LineAction.ApplyLoad>(Assert.Single(_world.Settle())).Load;
        Assert.Equal(("oss-data", "/bloom-560m/v1"), (load.Spec!.Dataset!.Name, load.Spec.Target!.Single().Path));

        Load("v1", cached: "1.00GiB");
        _world.Settle();
        Assert.Equal("BytesUnaccounted", _world.Condition("CacheWarm").Reason);
        Load("v1", cached: "1026.00MiB");
        _world.Settle();
        Assert.Equal("BytesAccounted", _world.Condition("CacheWarm").Reason);
        Assert.Contains("pvc://oss-data/bloom-560m/v1", _world.Service!.Spec!.Predictor!.ToJsonString(), StringComparison.Ordinal);
        _world.RollOut("v1");
        Assert.Equal("v1", _world.Model.Status!.Version);
        Assert.Empty(_world.Plan().Actions);

        _world.Model.Metadata.DeletionTimestamp = _world.Now;
        Assert.Equal(["DeleteService", "DeleteLoad", "Finalize"], _world.Settle().Select(a => a.GetType().Name));
    }

    [Fact]
    public void Adopted_WhollyCachedBefore_Warm()
    {
        Adopt(cached: "2.00GiB");
        _world.Upload("v1");
        _world.Settle();
        Load("v1", cached: "2.00GiB", total: "1.00GiB");
        _world.Settle();
        Assert.Equal("DatasetWhollyCached", _world.Condition("CacheWarm").Reason);
    }

    [Fact]
    public void Adopted_NotThere_SaidAndNothingMade()
    {
        Adopt(cached: "0.00B");
        _world.Adopted = null;
        _world.Upload("v1");
        Assert.Empty(_world.Settle());
        Assert.Equal("DatasetMissing", _world.Condition("CacheReady").Reason);
    }

    [Fact]
    public void Adopted_SpecChangedLater_ServedVersionStaysWhereItIs()
    {
        Adopt(cached: "0.00B");
        _world.Upload("v1");
        _world.Settle();
        Load("v1", cached: "2.00MiB");
        _world.Settle();
        _world.RollOut("v1");
        _world.Model.Spec!.Cache.ExistingDataset = null;
        Assert.Empty(_world.Settle());
        Assert.Equal("oss-data", _world.Version("v1").Dataset);
    }

    [Fact]
    public void Locality_FollowsNodesAndIsRewrittenOnlyWhenItChanges()
    {
        _world.Serve("v1");
        _world.WorkerNodes[_world.Version("v1").Dataset!] = ["node-a", "node-b"];
        _world.Settle();
        var first = _world.Model.Status!.Locality!;
        Assert.Equal(("Local", "CopyOnEveryWorker", 2, 2), (first.Verdict, first.Reason, first.Copies, first.Workers));
        _world.Now = _world.Now.AddHours(1);
        _world.Settle();
        Assert.Equal(first.ObservedAt, _world.Model.Status!.Locality!.ObservedAt);

        _world.PodNodes.Add("node-c");
        _world.Settle();
        var moved = _world.Model.Status!.Locality!;
        Assert.Equal(("Remote", "PodWithoutWorker"), (moved.Verdict, moved.Reason));
        Assert.Equal(["worker", "worker", "predictor"], moved.Nodes!.Select(n => n.Role));
        Assert.NotEqual(first.ObservedAt, moved.ObservedAt);
    }

    private void Adopt(string cached)
    {
        _world.Model.Spec!.Cache.ExistingDataset = new() { Name = "oss-data", Path = "/bloom-560m" };
        _world.Adopted = new() { Metadata = new() { Name = "oss-data" }, Status = new() { Phase = "Bound", CacheStates = new() { ["cached"] = cached } } };
        _world.AdoptedRuntime = new() { Metadata = new() { Name = "oss-data" }, Spec = new() { Replicas = 2 }, Status = new() { WorkerPhase = "Ready" } };
    }

    private void Load(string version, string cached, string total = "9.00GiB")
    {
        _world.Loads.Find(l => l.Metadata.Name == _world.Version(version).DataLoad)!.Status = new() { Phase = "Complete" };
        _world.Adopted!.Status!.UfsTotal = total;
        _world.Adopted.Status.CacheStates!["cached"] = cached;
    }
}
