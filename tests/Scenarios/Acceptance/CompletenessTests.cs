using System.Text.Json.Nodes;
using Amazon.S3.Model;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// Layouts and the ways to be complete, uploaded as people upload. The models are paused, which stops what follows an upload, and not the judgement of it.
/// </summary>
public sealed class CompletenessTests(SharedSandbox shared)
{
    private const string Index = """{"metadata":{"total_size":8},"weight_map":{"a":"part-1.safetensors","b":"part-2.safetensors"}}""";

    [Theory(Explicit = true)]
    [InlineData("Flat", "flat", "")]
    [InlineData("Auto", "flat", "")]
    [InlineData("Folders", "rc1", "rc1/")]
    [InlineData("Auto", "rc1", "rc1/")]
    public async Task IndexFirstTokenizerLast_NamesTheMissingShard_ThenComplete(string layout, string version, string folder)
    {
        var (world, name) = await PausedAsync(layout, "Index", 9);
        var prefix = $"{name}/{folder}";
        await world.PutAsync(prefix + "model.safetensors.index.json", Index);
        await world.PutAsync(prefix + "part-2.safetensors", "5678");
        await world.UntilAsync(name, m => m.Condition("UploadComplete", "reason") == "MissingFiles"
            && m.Condition("UploadComplete", "message") is { } said && said.Contains("part-1.safetensors", StringComparison.Ordinal) && !said.Contains("part-2.safetensors", StringComparison.Ordinal),
            "the missing shard is not told");
        await world.PutAsync(prefix + "part-1.safetensors", "1234");
        await world.PutAsync(prefix + "tokenizer.json", "{}");
        var complete = await CompleteAsync(world, name, version, "IndexSatisfied");
        Assert.Equal(4, complete.Version(version).Number("files"));
    }

    [Theory(Explicit = true)]
    [InlineData("Flat", "flat", "")]
    [InlineData("Folders", "rc1", "rc1/")]
    public async Task OwnMarker_CompletesAtOnce_AndIsNoFileOfTheVersion(string layout, string version, string folder)
    {
        var (world, name) = await PausedAsync(layout, "Marker", 3600, "_READY");
        await world.PutAsync($"{name}/{folder}weights.bin", "1234");
        await world.PutAsync($"{name}/{folder}_SUCCESS", "");
        await world.UntilAsync(name, m => m.Condition("UploadComplete", "reason") == "MarkerMissing", "the missing marker is not told");
        await world.PutAsync($"{name}/{folder}_READY", "");
        var complete = await CompleteAsync(world, name, version, "MarkerPresent");
        Assert.Equal(2, complete.Version(version).Number("files"));
    }

    [Theory(Explicit = true)]
    [InlineData("Manifest")]
    [InlineData("Auto")]
    public async Task Manifest_WaitsForEverySize(string when)
    {
        var (world, name) = await PausedAsync("Auto", when, 3600);
        await world.PutAsync($"{name}/v7/manifest.json", """{"files":[{"path":"sub/weights.bin","size":6},{"path":"config.json","size":2}]}""");
        await world.PutAsync($"{name}/v7/sub/weights.bin", "1234");
        await world.PutAsync($"{name}/v7/config.json", "{}");
        await world.UntilAsync(name, m => m.Condition("UploadComplete", "message")?.Contains("sub/weights.bin", StringComparison.Ordinal) == true, "the short file is not told");
        await world.PutAsync($"{name}/v7/sub/weights.bin", "123456");
        await CompleteAsync(world, name, "v7", "ManifestSatisfied");
    }

    [Fact(Explicit = true)]
    public async Task Quiet_CompletesByTimeAlone()
    {
        var (world, name) = await PausedAsync("Folders", "Quiet", 4);
        await world.PutAsync($"{name}/only/weights.bin", "1234");
        await world.UntilAsync(name, m => m.Condition("UploadComplete", "reason") == "NotQuietYet", "it does not wait for quiet");
        await CompleteAsync(world, name, "only", "Quiet");
    }

    [Fact(Explicit = true)]
    public async Task MultipartThatStaysOpen_Blocks_AnAbortedOneDoesNot()
    {
        var (world, name) = await PausedAsync("Folders", "Index", 3);
        var upload = await world.Sandbox.Store.InitiateMultipartUploadAsync(world.Bucket, $"{name}/v1/optimizer.bin");
        await world.Sandbox.Store.UploadPartAsync(new UploadPartRequest
        {
            BucketName = world.Bucket,
            Key = upload.Key,
            UploadId = upload.UploadId,
            PartNumber = 1,
            InputStream = new MemoryStream("part"u8.ToArray()),
            UseChunkEncoding = false,
        });
        await world.PutAsync($"{name}/v1/model.safetensors.index.json", Index);
        await world.PutAsync($"{name}/v1/part-1.safetensors", "1234");
        await world.PutAsync($"{name}/v1/part-2.safetensors", "5678");
        var blocked = await world.UntilAsync(name, m => m.Condition("UploadComplete", "reason") == "MultipartOpen", "the open upload is not told");
        Assert.Contains("optimizer.bin", blocked.Condition("UploadComplete", "message"), StringComparison.Ordinal);

        // Longer than the quiet time, and looked at again on purpose: still open.
        await Task.Delay(TimeSpan.FromSeconds(4), TimeProvider.System);
        await world.PutAsync($"{name}/v1/config.json", "{}");
        await world.UntilAsync(name, m => m.Version("v1").Number("files") == 4, "config.json is not seen");
        Assert.Equal("MultipartOpen", (await world.ModelAsync(name)).Condition("UploadComplete", "reason"));

        // No event tells of an abort: the model is looked at again without one.
        await world.Sandbox.Store.AbortMultipartUploadAsync(world.Bucket, upload.Key, upload.UploadId);
        await CompleteAsync(world, name, "v1", "IndexSatisfied", TimeSpan.FromSeconds(25));
    }

    private async Task<(UserWorld World, string Name)> PausedAsync(string layout, string when, int quietSeconds, string? marker = null)
    {
        var name = $"m-{Guid.NewGuid():N}"[..12];
        var world = await shared.WorldAsync($"complete-{name}");
        await world.ModelAsync(name, name, m =>
        {
            m["metadata"]!["annotations"] = new JsonObject { ["prewarm.dev/paused"] = "true" };
            m["spec"]!["source"]!["versions"] = layout;
            m["spec"]!["source"]!["complete"] = new JsonObject { ["when"] = when, ["quietSeconds"] = quietSeconds, ["marker"] = marker ?? "_SUCCESS" };
        });
        return (world, name);
    }

    private static Task<JsonObject> CompleteAsync(UserWorld world, string name, string version, string reason, TimeSpan? limit = null) =>
        world.UntilAsync(name, m => m.Condition("UploadComplete", "status") == "True" && m.Condition("UploadComplete", "reason") == reason
            && m.Version(version).Text("state") == "Complete", $"{version} is not complete by {reason}", limit);
}
