using Amazon.S3.Model;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>Uploads as they happen to people: broken off, standing still, too late, twice, over one another. On the real store and API server, through the line.</summary>
public sealed class UploadsInRealLifeTests : IAsyncLifetime
{
    private UploadWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await UploadWorld.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Multipart_Open_HoldsTheVersion_AbortedItIsCompleteAtTheNextLook()
    {
        await _world.UploadAsync("m/v1", "one");
        var id = await _world.BeginAsync("m/v1/optimizer.bin");
        await _world.LookAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(("False", "MultipartOpen"), Said("UploadComplete"));
        Assert.Contains("m/v1/optimizer.bin", _world.Condition("UploadComplete")!.Message, StringComparison.Ordinal);
        Assert.Empty(_world.Loads);

        await _world.S3.AbortMultipartUploadAsync(UploadWorld.Bucket, "m/v1/optimizer.bin", id, _world.Deadline);
        await _world.ServeAsync("v1");
        Assert.Equal(["v1"], _world.Loads);
        Assert.Null(_world.Condition("Stalled"));
    }

    [Fact]
    public async Task Multipart_Stale_IsLeftOutAfterStalledAfterMinutes_AndSaid()
    {
        await _world.ChangeAsync("""{"spec":{"source":{"complete":{"stalledAfterMinutes":10}}}}""");
        await _world.UploadAsync("m/v1", "one");
        await _world.BeginAsync("m/v1/optimizer.bin");
        await _world.LookAsync(TimeSpan.FromMinutes(9));
        Assert.Equal(("False", "MultipartOpen"), Said("UploadComplete"));
        Assert.InRange(_world.Status.NextLook!.Value, _world.Time.GetUtcNow(), _world.Time.GetUtcNow().AddMinutes(1).AddSeconds(2));

        await _world.LookAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(("True", "IndexSatisfied"), Said("UploadComplete"));
        Assert.Equal(("True", "MultipartAbandoned"), Said("Stalled"));
        Assert.All((string[])["m/v1/optimizer.bin", "10 min", "abort"], part => Assert.Contains(part, _world.Condition("Stalled")!.Message, StringComparison.Ordinal));
        await _world.ServeAsync("v1");
        Assert.Equal(3, _world.Version("v1").Files);
        Assert.Equal(("True", "MultipartAbandoned"), Said("Stalled"));

        // It stays so without writing anything.
        await QuietAsync(TimeSpan.FromHours(2));
    }

    [Fact]
    public async Task Multipart_OpenForLongButAtWork_GoesOnBlocking()
    {
        await _world.ChangeAsync("""{"spec":{"source":{"complete":{"stalledAfterMinutes":10}}}}""");
        await _world.UploadAsync("m/v1", "one");
        var id = await _world.BeginAsync("m/v1/huge.bin");
        for (var part = 2; part < 6; part++)
        {
            await _world.LookAsync(TimeSpan.FromMinutes(8));
            Assert.Equal(("False", "MultipartOpen"), Said("UploadComplete"));
            Assert.NotNull(_world.Status.NextLook);
            await _world.PartAsync("m/v1/huge.bin", id, part);
        }

        await _world.LookAsync(TimeSpan.FromMinutes(9));
        Assert.Equal(("False", "MultipartOpen"), Said("UploadComplete"));
        await _world.LookAsync(TimeSpan.FromMinutes(2));
        Assert.Equal("True", Said("UploadComplete").Status);
    }

    [Fact]
    public async Task Multipart_ManyDeadOnes_DoNotHideTheOneAtWork()
    {
        await _world.ChangeAsync("""{"spec":{"source":{"complete":{"stalledAfterMinutes":10}}}}""");
        await _world.UploadAsync("m/v1", "one");
        for (var dead = 0; dead < 25; dead++)
        {
            await _world.BeginAsync($"m/v1/a{dead:00}.bin");
        }

        _world.Time.Advance(TimeSpan.FromMinutes(1));
        var id = await _world.BeginAsync("m/v1/huge.bin");
        _world.Time.Advance(TimeSpan.FromMinutes(8));
        await _world.PartAsync("m/v1/huge.bin", id, 2);
        await _world.LookAsync(TimeSpan.FromMinutes(8));
        Assert.Equal(("False", "MultipartOpen"), Said("UploadComplete"));
        Assert.Contains("huge.bin", _world.Condition("UploadComplete")!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Multipart_OnlyStaleOnes_NothingIsMade_AndSaid()
    {
        await _world.BeginAsync("m/v1/s1.safetensors");
        await _world.LookAsync(TimeSpan.FromMinutes(61));
        Assert.Equal(("False", "Empty"), Said("UploadComplete"));
        Assert.Equal("True", Said("Stalled").Status);
        Assert.Contains("m/v1/s1.safetensors", _world.Condition("Stalled")!.Message, StringComparison.Ordinal);
        Assert.Empty(_world.Loads);
    }

    [Fact]
    public async Task Upload_StandsStill_StalledNamesEveryMissingFile_AndGoesWhenTheyCome()
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.PutAsync("m/v2/x.index.json", """{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors","c":"s3.safetensors"}}""");
        await _world.PutAsync("m/v2/s2.safetensors", "two");
        await _world.LookAsync();
        Assert.Equal(("False", "MissingFiles"), Said("UploadComplete"));
        Assert.Null(_world.Condition("Stalled"));
        await _world.LookAsync(TimeSpan.FromHours(1));
        Assert.Equal(("True", "UploadStalled"), Said("Stalled"));
        Assert.All((string[])["v2", "m/v2/s1.safetensors", "m/v2/s3.safetensors"], part => Assert.Contains(part, _world.Condition("Stalled")!.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("s2.safetensors", _world.Condition("Stalled")!.Message, StringComparison.Ordinal);
        Assert.Equal(("v1", "True"), (_world.Status.Version, Said("Ready").Status));
        await QuietAsync(TimeSpan.FromHours(5));

        await _world.PutAsync("m/v2/s1.safetensors", "two");
        await _world.PutAsync("m/v2/s3.safetensors", "two");
        await _world.ServeAsync("v2");
        Assert.Null(_world.Condition("Stalled"));
    }

    [Fact]
    public async Task OldFolder_NeverFinished_DoesNotHideWhatServes()
    {
        await _world.PutAsync("m/zz-test/x.index.json", """{"weight_map":{"a":"s1.safetensors"}}""");
        await _world.LookAsync(TimeSpan.FromHours(2));
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        Assert.Equal("True", Said("UploadComplete").Status);
        Assert.Contains("zz-test", _world.Condition("Stalled")!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Newer_ArrivesInTheMiddle_WinsOnce_AndTheMiddleOneNeverServes(bool rollingOut)
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.UploadAsync("m/v2", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        Assert.Equal("Warming", _world.Version("v2").State);
        if (rollingOut)
        {
            await _world.PlayFluidAsync();
            await _world.LookAsync();
            Assert.Equal("Warm", _world.Version("v2").State);
        }

        // Not complete yet: v2 goes on.
        await _world.PutAsync("m/v3/x.index.json", """{"weight_map":{"a":"s1.safetensors"}}""");
        await _world.LookAsync();
        Assert.Equal(rollingOut ? "Warm" : "Warming", _world.Version("v2").State);
        await _world.PutAsync("m/v3/s1.safetensors", "three");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        Assert.Equal(("Retired", "Warming"), (_world.Version("v2").State, _world.Version("v3").State));
        await _world.ServeAsync("v3");
        Assert.Equal(["v1", "v2", "v3"], _world.Loads.Order(StringComparer.Ordinal));
        Assert.Equal(["v1", "v3"], _world.Served);
        Assert.Equal(rollingOut ? ["v1", "v2", "v3"] : ["v1", "v3"], _world.RolledOut);
        await QuietAsync(TimeSpan.FromHours(1));
        Assert.Equal(["v1", "v3"], await _world.DatasetsAsync());
    }

    [Fact]
    public async Task Older_CompletedBefore_ButNoticedLater_IsNotRolledOut()
    {
        // Both complete before anybody looks, the older one first, whatever the names say.
        await _world.UploadAsync("m/z-older", "one");
        await _world.UploadAsync("m/a-newer", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("a-newer");
        Assert.Equal("Retired", _world.Version("z-older").State);
        Assert.Equal(["a-newer"], _world.Loads);
        Assert.Equal(["a-newer"], _world.Served);
    }

    [Fact]
    public async Task Older_NoticedOnlyAfterTheNewerServes_NeverRollsBackwards()
    {
        // v1's files are all there before v2's, but an upload under it stays open until v2 serves.
        await _world.UploadAsync("m/v1", "one");
        var id = await _world.BeginAsync("m/v1/optimizer.bin");
        await _world.UploadAsync("m/v2", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("v2");
        await _world.S3.AbortMultipartUploadAsync(UploadWorld.Bucket, "m/v1/optimizer.bin", id, _world.Deadline);
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        Assert.Equal("Retired", _world.Version("v1").State);
        await QuietAsync(TimeSpan.FromHours(1));
        Assert.Equal(["v2"], _world.Served);
        Assert.Equal(["v2"], _world.Loads);
    }

    [Fact]
    public async Task Older_ByName_ThatCompletesLater_IsTheNewest()
    {
        await _world.PutAsync("m/v1/x.index.json", """{"weight_map":{"a":"s1.safetensors"}}""");
        await _world.UploadAsync("m/v2", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("v2");
        await _world.PutAsync("m/v1/s1.safetensors", "one");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("v1");
        Assert.Equal(["v2", "v1"], _world.Served);
        await QuietAsync(TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task Marker_WrittenLate_CountsAsTheCompletion()
    {
        await using var world = await UploadWorld.StartAsync(when: "Marker");
        await world.UploadAsync("m/v1", "one");
        await world.UploadAsync("m/v2", "two");
        await world.PutAsync("m/v2/_SUCCESS", "");
        await world.ServeAsync("v2");
        world.Time.Advance(TimeSpan.FromMinutes(5));
        await world.PutAsync("m/v1/_SUCCESS", "");
        await world.ServeAsync("v1");
        Assert.Equal(["v2", "v1"], world.Served);
    }

    [Theory]
    [InlineData("Folders", "m/v1", "v1", "Auto")]
    [InlineData("Flat", "m", "flat", "Auto")]
    [InlineData("Folders", "m/v1", "v1", "Quiet")]
    public async Task SameBytesAgain_NothingIsWritten(string layout, string folder, string version, string when)
    {
        await using var world = await UploadWorld.StartAsync(layout, when);
        await world.UploadAsync(folder, "one");
        await world.ServeAsync(version);
        await world.LookAsync(TimeSpan.FromMinutes(1));
        var writes = world.Writes;
        await world.UploadAsync(folder, "one");
        foreach (var seconds in (int[])[2, 2, 3, 60, 3600])
        {
            await world.LookAsync(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(writes, world.Writes);
        Assert.Equal([version], world.Loads);
    }

    [Theory]
    [InlineData("Folders", "m/v1", "v1", "upload to a new folder")]
    [InlineData("Flat", "m", "flat", "spec.source.versions: Folders")]
    public async Task OverwrittenInPlace_IsSaid_NotRolledOutOverItself_AndANewFolderIsTheWayOut(string layout, string folder, string version, string way)
    {
        await using var world = await UploadWorld.StartAsync(layout);
        await world.UploadAsync(folder, "one");
        await world.ServeAsync(version);
        await world.UploadAsync(folder, "another");
        await world.LookAsync(TimeSpan.FromSeconds(20));
        var condition = world.Condition("OverwrittenInPlace")!;
        Assert.Equal("True", condition.Status);
        Assert.All((string[])[version, way, folder + "/"], part => Assert.Contains(part, condition.Message, StringComparison.Ordinal));
        Assert.Equal((version, "True"), (world.Status.Version, world.Condition("Ready")!.Status));
        var writes = world.Writes;
        await world.LookAsync(TimeSpan.FromHours(2));
        Assert.Equal(writes, world.Writes);
        Assert.Equal([version], world.Loads);
        Assert.Equal([version], world.RolledOut);

        if (layout == "Flat")
        {
            await world.ChangeAsync("""{"spec":{"source":{"versions":"Folders"}}}""");
        }

        await world.UploadAsync("m/v2", "another");
        await world.LookAsync(TimeSpan.FromSeconds(20));
        await world.ServeAsync("v2");
        Assert.Equal([version, "v2"], world.Served);
        Assert.Equal(2, world.Loads.Count);
    }

    [Fact]
    public async Task OverwrittenInPlace_PutBackAsItWas_IsSaidNoMore()
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.PutAsync("m/v1/s1.safetensors", "other");
        await _world.LookAsync();
        Assert.Equal("True", Said("OverwrittenInPlace").Status);
        await _world.PutAsync("m/v1/s1.safetensors", "one");
        await _world.LookAsync();
        Assert.Null(_world.Condition("OverwrittenInPlace"));
    }

    [Theory]
    [InlineData(VersionChoice.PinAnnotation, "Pinned")]
    [InlineData(VersionChoice.RollbackAnnotation, "RolledBack")]
    public async Task OverwrittenInPlace_OfARetiredVersion_NobodyGoesBackToIt(string annotation, string condition)
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.UploadAsync("m/v2", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("v2");
        await _world.PutAsync("m/v1/s1.safetensors", "other");
        await _world.ChangeAsync($$$$"""{"metadata":{"annotations":{"{{{{annotation}}}}":"v1"}}}""");
        await _world.LookAsync();
        Assert.Equal(("False", "VersionOverwritten"), Said(condition));
        await _world.ServeAsync("v2");
        Assert.Equal(["v1", "v2"], _world.Served);
        Assert.Equal(["v1", "v2"], _world.RolledOut);
    }

    [Fact]
    public async Task Overwritten_BeforeItServes_StartsAgain_WithOneMoreDataLoad()
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.PutAsync("m/v1/s1.safetensors", "corrected");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("v1");
        Assert.Equal(["v1", "v1"], _world.Loads);
        Assert.Equal(["v1"], await _world.DatasetsAsync());
        Assert.Null(_world.Condition("OverwrittenInPlace"));
    }

    [Fact]
    public async Task Overwritten_WhileItsGoldenQuestionsAreAsked_TakesNoTraffic()
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.PutAsync("m/v2/golden.jsonl", """{"request":{},"expect":{}}""");
        await _world.UploadAsync("m/v2", "two");
        var asked = 0;
        _world.WhileAsked = async () =>
        {
            asked++;
            _world.Time.Advance(TimeSpan.FromMinutes(3));
            await _world.PutAsync("m/v2/s1.safetensors", "other");
            _world.Time.Advance(TimeSpan.FromSeconds(2));
        };
        for (var round = 0; asked == 0 && round < 6; round++)
        {
            await _world.LookAsync(TimeSpan.FromSeconds(6));
            await _world.PlayFluidAsync();
            await (asked == 0 ? _world.PlayKServeAsync() : Task.CompletedTask);
        }

        Assert.Equal(1, asked);
        var (digest, share) = await _world.ServiceAsync();
        Assert.True(share == 0 || digest == _world.Version("v1").Digest, $"{digest} has all traffic, and its files are others than were asked");
        Assert.Equal(["v1"], _world.Served);
    }

    [Fact]
    public async Task StrayObject_BesideTheFolders_IsSaid_AndTheFoldersStayVersions()
    {
        await using var world = await UploadWorld.StartAsync("Auto");
        await world.UploadAsync("m/v1", "one");
        await world.ServeAsync("v1");
        await world.PutAsync("m/README.md", "read me");
        await world.LookAsync(TimeSpan.FromSeconds(20));
        Assert.Equal("v1", Assert.Single(world.Status.Versions!).Name);
        Assert.Equal("True", world.Condition("StrayObjects")?.Status);
        Assert.All((string[])["m/README.md", "spec.source.versions"], part => Assert.Contains(part, world.Condition("StrayObjects")!.Message, StringComparison.Ordinal));

        await world.UploadAsync("m/v2", "two");
        await world.LookAsync(TimeSpan.FromSeconds(6));
        await world.ServeAsync("v2");
        Assert.Equal(["v1", "v2"], world.Loads.Order(StringComparer.Ordinal));
        await world.S3.DeleteObjectAsync(UploadWorld.Bucket, "m/README.md", world.Deadline);
        await world.LookAsync(TimeSpan.FromSeconds(6));
        Assert.Null(world.Condition("StrayObjects"));
    }

    [Fact]
    public async Task Documents_OfWhatServesOrHasServed_AreNotReadAgain()
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.UploadAsync("m/v2", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        await _world.ServeAsync("v2");
        var read = _world.BytesRead("m/");
        await _world.PutAsync("m/v3/s1.safetensors", "three");
        await _world.LookAsync();
        await _world.OtherAsync();
        Assert.Equal(read, _world.BytesRead("m/"));
        Assert.Equal(("False", "NotQuietYet"), Said("UploadComplete"));
        await _world.PutAsync("m/v3/x.index.json", """{"weight_map":{"a":"s1.safetensors"}}""");
        await _world.LookAsync();
        Assert.NotEqual(0, _world.BytesRead("m/v3/"));
        Assert.Equal(read, _world.BytesRead("m/v1/") + _world.BytesRead("m/v2/"));
    }

    [Fact]
    public async Task Folder_DeletedWhileWarming_IsForgotten_WhatServesGoesOn()
    {
        await _world.UploadAsync("m/v1", "one");
        await _world.ServeAsync("v1");
        await _world.UploadAsync("m/v2", "two");
        await _world.LookAsync(TimeSpan.FromSeconds(6));
        Assert.Equal("Warming", _world.Version("v2").State);
        foreach (var file in (await _world.S3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = UploadWorld.Bucket, Prefix = "m/v2/" }, _world.Deadline)).S3Objects)
        {
            await _world.S3.DeleteObjectAsync(UploadWorld.Bucket, file.Key, _world.Deadline);
        }

        await _world.LookAsync();
        await _world.LookAsync();
        Assert.Equal("v1", Assert.Single(_world.Status.Versions!).Name);
        Assert.Equal(["v1"], await _world.DatasetsAsync());
        Assert.Equal("True", Said("Ready").Status);
        Assert.Equal("Serving", _world.Status.Phase);
    }

    [Fact]
    public async Task FilesEvents_WaitForCompany_TheMarkersListsAtOnceForAllOfThem()
    {
        await using var world = await UploadWorld.StartAsync(when: "Marker");
        await world.PutAsync("m/v1/s1.safetensors", "one");
        var file = world.AskAsync(ListingPace.Interval);
        await world.PutAsync("m/v1/_SUCCESS", "");
        // The clock stands still: nobody waits.
        Assert.All(await Task.WhenAll(file, world.AskAsync(TimeSpan.Zero)).WaitAsync(world.Deadline), o => Assert.Equal(LineOutcome.Settled, o));
        Assert.Equal(1, world.Listings);
        await world.RememberAfterAsync();
        Assert.Equal(VersionState.Warming, world.Version("v1").State);
    }

    [Fact]
    public async Task FilesEvents_WithoutCompany_AreLookedAtWhenTheirPatienceIsOver()
    {
        await using var world = await UploadWorld.StartAsync(when: "Marker");
        await world.PutAsync("m/v1/s1.safetensors", "one");
        var (asked, file) = (world.Time.GetUtcNow(), world.AskAsync(ListingPace.Interval));
        await world.RememberAfterAsync(file);
        Assert.Equal(("False", "MarkerMissing"), (world.Condition("UploadComplete")?.Status, world.Condition("UploadComplete")?.Reason));
        Assert.True(world.Time.GetUtcNow() - asked >= ListingPace.Interval);
    }

    [Fact]
    public async Task TwoProcesses_OneListedBeforeTheUploadWasComplete_WhatTheOtherHasMadeStays()
    {
        await using var world = await UploadWorld.StartAsync(when: "Marker");
        await world.PutAsync("m/v1/s1.safetensors", "one");
        await world.OtherAsync();
        await world.PutAsync("m/v1/s2.safetensors", "one");
        await world.PutAsync("m/v1/_SUCCESS", "");
        await world.LookAsync(TimeSpan.Zero);
        Assert.Equal(VersionState.Warming, world.Version("v1").State);
        var writes = world.Writes;

        // The DataLoad's event reaches the other one, which takes its last listing: less than 2 s old, and without the last file.
        await world.OtherAsync();
        Assert.Equal(VersionState.Warming, world.Version("v1").State);
        Assert.Equal(writes, world.Writes);
    }

    private (string? Status, string? Reason) Said(string type) => (_world.Condition(type)?.Status, _world.Condition(type)?.Reason);

    private async Task QuietAsync(TimeSpan after)
    {
        await _world.LookAsync();
        var writes = _world.Writes;
        await _world.LookAsync(after);
        Assert.Equal(writes, _world.Writes);
    }
}
