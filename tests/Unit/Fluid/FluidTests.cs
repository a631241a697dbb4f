using System.Text.Json.Nodes;
using Prewarm.Functions.Warm;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Fluid;

public sealed class FluidTests : IAsyncLifetime
{
    private const int Big = 400_000;
    private readonly FluidWorld _world = new();

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Dataset_WithRuntimeAndSecret_IsBoundWithWorkersAndVolume()
    {
        await ModelAsync("models/bloom");
        await _world.SecretAsync();
        await _world.DatasetAsync();
        var dataset = await _world.PhaseAsync(Kinds.Datasets, "oss-data", "Bound");
        Assert.Equal((ByteSize.Format((2 * Big) + 3), "3"), (dataset.Text("status", "ufsTotal"), dataset.Text("status", "fileNum")));
        Assert.Equal(("0.00B", "100.00GiB", "0.0%"), (Cached(dataset), dataset.Text("status", "cacheStates", "cacheCapacity"), dataset.Text("status", "cacheStates", "cachedPercentage")));
        Assert.Equal("DatasetReady", dataset.At("status", "conditions")![0].Text("reason"));
        Assert.Equal(["fluid-dataset-controller-finalizer"], dataset.At("metadata", "finalizers")!.AsArray().Select(f => (string)f!));
        var runtime = await _world.GetAsync(Kinds.JindoRuntimes, "oss-data");
        Assert.Equal(("Ready", "Ready", "Ready"), (runtime.Text("status", "masterPhase"), runtime.Text("status", "workerPhase"), runtime.Text("status", "fusePhase")));
        Assert.Equal(2, (await _world.WorkerNodesAsync()).Count);
        Assert.Equal("fuse.csi.fluid.io", (await _world.GetAsync(Kinds.Volumes, "default-oss-data")).Text("spec", "csi", "driver"));
        Assert.Equal("Bound", (await _world.GetAsync(Kinds.Claims, "oss-data")).Text("status", "phase"));
        Assert.Equal("Running", (await _world.GetAsync(Kinds.Pods, "oss-data-jindofs-worker-1")).Text("status", "phase"));
    }

    [Fact]
    public async Task Load_OverAThrottledLink_ShowsProgressAndEndsWarmWithTheSameBytes()
    {
        var model = await ModelAsync("models/bloom");
        _world.Store.BytesPerSecond = Big;
        await _world.SecretAsync();
        await _world.DatasetAsync();
        await _world.LoadAsync();
        var running = await _world.UntilAsync(Kinds.Datasets, "oss-data", d => ByteSize.Parse(Cached(d)) is > 0 and < 2 * Big);
        Assert.Equal("load", running.Text("status", "operationRef", "DataLoad"));
        Assert.Equal(("Executing", "Unfinished"), ((await _world.GetAsync(Kinds.DataLoads, "load")).Text("status", "phase"), (await _world.GetAsync(Kinds.DataLoads, "load")).Text("status", "duration")));
        var between = await _world.UntilAsync(Kinds.Datasets, "oss-data", d => ByteSize.Parse(Cached(d)) > ByteSize.Parse(Cached(running)));
        Assert.NotEqual(Cached(running), Cached(between));
        _world.Store.BytesPerSecond = 0;

        var load = await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
        Assert.Equal("CompletionsReached", load.At("status", "conditions")![0].Text("reason"));
        Assert.Matches("^[0-9]+s$", load.Text("status", "duration"));
        var owner = load.At("metadata", "ownerReferences")![0];
        Assert.Equal(("Dataset", "oss-data", null), (owner.Text("kind"), owner.Text("name"), owner.At("controller")));
        var whole = (2 * Big) + 3;
        var warm = await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == ByteSize.Format(2 * whole) && d.At("status", "operationRef") is null);
        Assert.Equal("100.0%", warm.Text("status", "cacheStates", "cachedPercentage"));
        Assert.Equal(Cached(warm), Cached(await _world.GetAsync(Kinds.JindoRuntimes, "oss-data")));
        Assert.Equal(whole, _world.Store.BytesReadUnder(FluidWorld.Bucket, "models/bloom/"));
        foreach (var node in await _world.WorkerNodesAsync())
        {
            foreach (var (path, bytes) in model)
            {
                Assert.Equal(bytes, await File.ReadAllBytesAsync(_world.Nodes.File(node, "default", "oss-data", "/bloom/" + path)!, _world.Deadline));
            }
        }

        Assert.Empty(_world.Log);
    }

    [Theory]
    [InlineData("emptyDir", true)]
    [InlineData("hostPath", false)]
    public async Task Worker_Deleted_ComesAnewOnItsNode_WithoutWhatItsEmptyDirHeld(string volume, bool lost)
    {
        await ModelAsync("models/bloom");
        await _world.SecretAsync();
        await _world.DatasetAsync();
        await _world.Api.MergePatchAsync(Kinds.JindoRuntimes, "default", "oss-data",
            $$$$"""{"spec":{"tieredstore":{"levels":[{"mediumtype":"SSD","volumeType":"{{{{volume}}}}","path":"/mnt/ssd0/cache","quota":"50Gi"}]}}}""", null, _world.Deadline);
        await _world.LoadAsync();
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
        const int whole = (2 * Big) + 3;
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == ByteSize.Format(2 * whole));
        const string worker = "oss-data-jindofs-worker-0";
        var before = await _world.GetAsync(Kinds.Pods, worker);
        var node = before.Text("spec", "nodeName")!;
        await _world.Api.DeleteAsync(Kinds.Pods, "default", worker, null, false, _world.Deadline);
        var after = await _world.UntilAsync(Kinds.Pods, worker, p => p.Text("metadata", "uid") is { } uid && uid != before.Text("metadata", "uid") && p.Text("status", "phase") == "Running");
        Assert.Equal(node, after.Text("spec", "nodeName"));
        Assert.Equal(lost ? 0 : whole, _world.Nodes.Bytes(node, "default", "oss-data"));
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == ByteSize.Format(lost ? whole : 2 * whole));
    }

    [Fact]
    public async Task Load_BeforeItsDataset_WaitsAndTellsWhy()
    {
        await ModelAsync("models/bloom");
        await _world.LoadAsync();
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Pending");
        await _world.UntilEventAsync("TargetDatasetNotFound");
        await _world.DatasetAsync(replicas: 0);
        await _world.SecretAsync();
        await _world.PhaseAsync(Kinds.Datasets, "oss-data", "Bound");
        await _world.UntilEventAsync("RuntimeNotReady");
        Assert.Equal("Pending", (await _world.GetAsync(Kinds.DataLoads, "load")).Text("status", "phase"));
        await _world.Api.MergePatchAsync(Kinds.JindoRuntimes, "default", "oss-data", """{"spec":{"replicas":1}}""", null, _world.Deadline);
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
    }

    [Fact]
    public async Task Load_OfNothing_FailsWithTheJobsReason()
    {
        await ModelAsync("models/bloom");
        await _world.SecretAsync();
        await _world.DatasetAsync();
        await _world.LoadAsync(path: "/elsewhere");
        var load = await _world.PhaseAsync(Kinds.DataLoads, "load", "Failed");
        var condition = load.At("status", "conditions")![0];
        Assert.Equal(("Failed", "BackoffLimitExceeded"), (condition.Text("type"), condition.Text("reason")));
        Assert.Contains("No such file or directory", condition.Text("message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secret_Missing_RuntimeWaitsForIt_ThenBinds()
    {
        await ModelAsync("models/bloom");
        await _world.DatasetAsync();
        await _world.UntilAsync(Kinds.JindoRuntimes, "oss-data", r => r.Text("status", "masterPhase") == "NotReady");
        Assert.Equal("NotBound", (await _world.PhaseAsync(Kinds.Datasets, "oss-data", "NotBound")).Text("status", "phase"));
        Assert.Contains(await _world.EventsAsync(), e => e.Reason == "FailedMount" && e.Message!.Contains("\"access-key\" not found", StringComparison.Ordinal));
        await _world.SecretAsync();
        await _world.PhaseAsync(Kinds.Datasets, "oss-data", "Bound");
    }

    [Fact]
    public async Task Secret_Wrong_BoundWithoutTotal_LoadFails()
    {
        await ModelAsync("models/bloom");
        await _world.SecretAsync(_world.Store.AccessKeyId, "wrong");
        await _world.DatasetAsync();
        Assert.Equal("[Calculating]", (await _world.PhaseAsync(Kinds.Datasets, "oss-data", "Bound")).Text("status", "ufsTotal"));
        await _world.LoadAsync();
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Failed");
        Assert.Equal(0, _world.Store.BytesRead);
    }

    [Fact]
    public async Task Cache_Wiped_FigureFalls_NextReadIsRemoteAgain()
    {
        var model = await ModelAsync("models/bloom");
        await WarmAsync(copies: 1, replicas: 1);
        var node = Assert.Single(await _world.WorkerNodesAsync());
        var before = _world.Store.BytesRead;
        Assert.Equal(model["a.safetensors"], await ReadAsync(node, "bloom/a.safetensors"));
        Assert.Equal(before, _world.Store.BytesRead);

        Directory.Delete(_world.Nodes.Folder(node, "default", "oss-data"), true);
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == "0.00B");
        var reads = await Task.WhenAll(ReadAsync(node, "bloom/a.safetensors"), ReadAsync(node, "bloom/a.safetensors"));
        Assert.All(reads, r => Assert.Equal(model["a.safetensors"], r));
        Assert.Equal(before + Big, _world.Store.BytesRead);
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == ByteSize.Format(Big));

        // A node without a worker reads through to the worker's cache, and keeps nothing.
        var other = _world.Nodes.Nodes.First(n => n != node);
        Assert.Equal(model["b.safetensors"], await ReadAsync(other, "bloom/b.safetensors"));
        Assert.Equal(0, _world.Nodes.Bytes(other, "default", "oss-data"));
        await Assert.ThrowsAsync<FileNotFoundException>(() => ReadAsync(node, "bloom/missing"));
    }

    [Fact]
    public async Task Runtime_ScaledToZero_CacheIsLetGo_DatasetStaysBound()
    {
        await ModelAsync("models/bloom");
        await WarmAsync(copies: 2, replicas: 2);
        await _world.Api.MergePatchAsync(Kinds.JindoRuntimes, "default", "oss-data", """{"spec":{"replicas":0}}""", null, _world.Deadline);
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == "0.00B" && d.Text("status", "cacheStates", "cacheCapacity") == "0.00B");
        Assert.Empty(await _world.WorkerNodesAsync());
        Assert.Equal("Bound", (await _world.GetAsync(Kinds.Datasets, "oss-data")).Text("status", "phase"));
        Assert.NotNull(await _world.GetAsync(Kinds.Claims, "oss-data"));
    }

    [Fact]
    public async Task Dataset_Deleted_WaitsForItsPods_ThenNothingIsLeft()
    {
        await ModelAsync("models/bloom");
        await WarmAsync(copies: 2, replicas: 2);
        await _world.Api.CreateAsync(Kinds.Pods, "default", new()
        {
            ["metadata"] = new JsonObject { ["name"] = "predictor" },
            ["spec"] = new JsonObject { ["volumes"] = new JsonArray(new JsonObject { ["name"] = "model", ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = "oss-data" } }) },
        }, _world.Deadline);
        await _world.Api.DeleteAsync(Kinds.Datasets, "default", "oss-data", null, false, _world.Deadline);
        await _world.UntilEventAsync("ErrorDeleteDataset");
        Assert.NotNull(await _world.GetAsync(Kinds.Datasets, "oss-data"));
        await _world.Api.DeleteAsync(Kinds.Pods, "default", "predictor", null, true, _world.Deadline);

        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => d is null);
        await _world.UntilAsync(Kinds.JindoRuntimes, "oss-data", r => r is null);
        await _world.UntilAsync(Kinds.DataLoads, "load", l => l is null);
        Assert.Null(await _world.GetAsync(Kinds.Claims, "oss-data"));
        Assert.Null(await _world.GetAsync(Kinds.Volumes, "default-oss-data"));
        Assert.Empty((await _world.Api.ListAsync(Kinds.Pods, "default", null, _world.Deadline)).Items);
        Assert.Empty(await _world.WorkerNodesAsync());
        Assert.Equal(0, _world.Nodes.Bytes("default", "oss-data"));
        Assert.All(_world.Nodes.Nodes, n => Assert.False(Directory.Exists(_world.Nodes.Folder(n, "default", "oss-data"))));
    }

    [Fact]
    public async Task Load_DeletedWhileItRuns_StopsReading()
    {
        await ModelAsync("models/bloom");
        _world.Store.BytesPerSecond = 100_000;
        await _world.SecretAsync();
        await _world.DatasetAsync();
        await _world.LoadAsync();
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => ByteSize.Parse(Cached(d)) > 0);
        await _world.Api.DeleteAsync(Kinds.DataLoads, "default", "load", null, false, _world.Deadline);
        await _world.UntilAsync(Kinds.DataLoads, "load", l => l is null);
        Assert.True(_world.Store.BytesRead < 2 * Big);
        Assert.Empty(_world.Nodes.Nodes.SelectMany(n => Parts(_world.Nodes.Folder(n, "default", "oss-data"))));
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => d.At("status", "operationRef") is null);
    }

    [Fact]
    public async Task Quota_TooSmall_LoadCompletesWithLessCached()
    {
        await ModelAsync("models/bloom");
        await _world.SecretAsync();
        await _world.DatasetAsync(quota: "500k", replicas: 1);
        await _world.LoadAsync(replicas: 1);
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => Cached(d) == ByteSize.Format(Big + 3));
    }

    [Fact]
    public async Task Load_WithTimeToLive_GoesByItself()
    {
        await ModelAsync("models/bloom");
        await _world.SecretAsync();
        await _world.DatasetAsync();
        await _world.LoadAsync(ttl: 1);
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
        await _world.UntilAsync(Kinds.DataLoads, "load", l => l is null);
    }

    [Fact]
    public async Task Keys_WithHashQuestionMarkPercentAndChinese_AreCopiedUnderTheirNames()
    {
        const string Prefix = "models/a#b?c%41 模型";
        var model = await ModelAsync(Prefix);
        await _world.PutAsync($"{Prefix}/x#y?z%20.json", [1, 2, 3]);
        await _world.SecretAsync();
        await _world.DatasetAsync($"oss://{FluidWorld.Bucket}/{Prefix}");
        await _world.LoadAsync();
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
        var node = (await _world.WorkerNodesAsync())[0];
        Assert.Equal([1, 2, 3], await ReadAsync(node, "bloom/x#y?z%20.json"));
        Assert.Equal(model["config.json"], await ReadAsync(node, "bloom/config.json"));
    }

    [Fact]
    public async Task Settled_NothingIsWrittenAndNothingListed()
    {
        await ModelAsync("models/bloom");
        await WarmAsync(copies: 2, replicas: 2);
        await _world.UntilAsync(Kinds.Datasets, "oss-data", d => d.Text("status", "cacheStates", "cachedPercentage") == "100.0%" && d.At("status", "operationRef") is null);
        // What the last change has set off comes to rest; controllers that write or list for ever never do, and the deadline says so.
        string before;
        do
        {
            before = await VersionAsync();
            // More than one measuring and one resync of the loads.
            await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, _world.Deadline);
        }
        while (await VersionAsync() != before);

        async Task<string> VersionAsync() => (await _world.Api.ListAsync(Kinds.Datasets, null, null, _world.Deadline)).ResourceVersion;
    }

    [Theory]
    [InlineData("oss://b/models/x/", "b", "models/x/")]
    [InlineData("oss://b", "b", "")]
    [InlineData("s3://b/a#b?c", "b", "a#b?c/")]
    public void MountPoint_Parsed_KeepsEveryLetter(string text, string bucket, string prefix) => Assert.Equal(new(bucket, prefix), MountPoint.Parse(text));

    [Theory]
    [InlineData("50Gi", 53687091200)]
    [InlineData("500k", 500000)]
    [InlineData("1.5Mi", 1572864)]
    [InlineData("7", 7)]
    [InlineData("many", 0)]
    public void Quantity_Parsed_IsBytes(string text, double bytes) => Assert.Equal(bytes, Sandbox.Fluid.CacheQuota.Parse(text));

    private static string? Cached(JsonObject? obj) => obj.Text("status", "cacheStates", "cached");

    private static IEnumerable<string> Parts(string folder) => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*.part", SearchOption.AllDirectories) : [];

    private async Task WarmAsync(int copies, int replicas)
    {
        await _world.SecretAsync();
        await _world.DatasetAsync(replicas: replicas);
        await _world.LoadAsync(replicas: copies);
        await _world.PhaseAsync(Kinds.DataLoads, "load", "Complete");
    }

    private async Task<Dictionary<string, byte[]>> ModelAsync(string prefix)
    {
        var model = new Dictionary<string, byte[]> { ["a.safetensors"] = FluidWorld.Bytes(Big, 1), ["b.safetensors"] = FluidWorld.Bytes(Big, 2), ["config.json"] = [1, 2, 3] };
        foreach (var (name, bytes) in model)
        {
            await _world.PutAsync($"{prefix}/{name}", bytes);
        }

        await _world.PutAsync("models/other/noise", [9]);
        return model;
    }

    private async Task<byte[]> ReadAsync(string node, string path)
    {
        await using var stream = await _world.Reader.OpenAsync(node, "default", "oss-data", path, _world.Deadline);
        using var memory = new MemoryStream();
        await stream.CopyToAsync(memory, _world.Deadline);
        return memory.ToArray();
    }
}
