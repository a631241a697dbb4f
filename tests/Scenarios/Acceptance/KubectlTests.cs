using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>A platform engineer at the terminal: apply, wait, get, describe, delete.</summary>
public sealed class KubectlTests(SharedSandbox shared)
{
    /// <summary>A Secret that a model names before it is there.</summary>
    internal const string LaterSecret = "key-of-tomorrow";

    [Fact(Explicit = true)]
    public async Task ApplyWaitGetDescribeDelete_TellTheWholeStory()
    {
        Kubectl.SkipWithout();
        var world = await shared.WorldAsync("terminal");

        // Something of the same kinds that is not ours, and must outlive all that follows.
        await Kubectl.RunAsync(world, "apply --server-side -f -", """
            apiVersion: v1
            kind: ConfigMap
            metadata: { name: not-ours, labels: { prewarm.dev/model: shelf, app.kubernetes.io/managed-by: prewarm } }
            ---
            apiVersion: data.fluid.io/v1alpha1
            kind: Dataset
            metadata: { name: not-ours, labels: { prewarm.dev/model: shelf, app.kubernetes.io/managed-by: prewarm } }
            spec: { mounts: [ { mountPoint: "oss://elsewhere/x", name: x, path: /x } ], accessModes: [ ReadOnlyMany ] }
            """);
        await Kubectl.RunAsync(world, "apply --server-side -f -", $$"""
            apiVersion: prewarm.dev/v1alpha1
            kind: CachedModel
            metadata: { name: shelf }
            spec:
              source: { uri: "oss://{{world.Bucket}}/shelf", endpoint: oss-cn-shanghai-internal.aliyuncs.com, credentialsSecret: access-key, complete: { quietSeconds: 3 } }
              serving: { name: shelf-service, predictor: { containers: [ { name: kserve-container, image: example.com/i } ] } }
            """);
        await world.UploadAsync(await TrainedModels.FolderAsync("archive"), "shelf/box-40", f => f.Name.StartsWith("tokenizer", StringComparison.Ordinal) ? 1 : 0);
        await Kubectl.RunAsync(world, "wait --for=condition=Ready cachedmodel/shelf --timeout=60s");

        var table = (await Kubectl.RunAsync(world, "get cachedmodels")).Split('\n');
        Assert.Equal(["NAME", "MODEL", "VERSION", "PHASE", "CACHED", "WARMTH", "TRAFFIC", "URL", "AGE"], table[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        foreach (var cell in (string[])["box-40", "Serving", "Warm", "box-40 100%", "http://shelf-service.terminal.example.com"])
        {
            Assert.Contains(cell, table[1], StringComparison.Ordinal);
        }

        // The model's name also when the spec leaves it to the CachedModel's.
        Assert.Equal(["shelf", "shelf"], table[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[..2]);
        Assert.Equal("cachedmodel.prewarm.dev/shelf\n", await Kubectl.RunAsync(world, "get cm8l -o name"));
        Assert.Contains("shelf", await Kubectl.RunAsync(world, "get prewarm"), StringComparison.Ordinal);
        var described = await Kubectl.RunAsync(world, "describe cachedmodel shelf");
        foreach (var word in (string[])["UploadComplete", "CacheReady", "CacheWarm", "RevisionReady", "Serving", "Ready", "IndexSatisfied", "BytesProven", "Events:", "prewarm"])
        {
            Assert.Contains(word, described, StringComparison.Ordinal);
        }

        Assert.Contains("BytesProven", described[described.IndexOf("Events:", StringComparison.Ordinal)..], StringComparison.Ordinal);

        await Kubectl.RunAsync(world, "delete cachedmodel shelf --timeout=60s");
        Assert.NotNull(await world.FluidAsync("datasets", "not-ours"));
        Assert.Contains("not-ours", await Kubectl.RunAsync(world, "get configmap -o name"), StringComparison.Ordinal);
        Assert.Contains("access-key", await Kubectl.RunAsync(world, "get secret -o name"), StringComparison.Ordinal);
        await UserWorld.UntilAsync(async () => (await world.LeftAsync()).All(l => l.Contains("not-ours", StringComparison.Ordinal)), async () => string.Join(", ", await world.LeftAsync()));
    }

    [Fact(Explicit = true)]
    public async Task WhatItWaitsFor_IsSaidByConditionAndEvent_AndGoesAwayWithTheCause()
    {
        var world = await shared.WorldAsync("waits-for");
        await world.ModelAsync("needy", "needy", m => m["spec"]!["source"]!["credentialsSecret"] = LaterSecret);
        await SaidAsync(world, "needy", "CredentialsMissing", LaterSecret);
        await world.ModelAsync("bucketless", "x", m => m["spec"]!["source"]!["uri"] = "oss://a-bucket-of-tomorrow/x");
        await SaidAsync(world, "bucketless", "NoSuchBucket", "a-bucket-of-tomorrow");

        // Both come later; nobody tells, a sweep finds them.
        await world.SecretAsync(LaterSecret);
        await world.PutAsync("needy/v1/model.safetensors.index.json", """{"weight_map":{"a":"first.safetensors","b":"second.safetensors"}}""");
        await world.PutAsync("needy/v1/first.safetensors", "1234");
        await SaidAsync(world, "needy", "MissingFiles", "needy/v1/second.safetensors", TimeSpan.FromSeconds(75));
        await world.Sandbox.Store.PutBucketAsync("a-bucket-of-tomorrow");
        await world.UntilAsync("bucketless", m => m.Condition("UploadComplete", "reason") == "NoFiles", "the new bucket is not seen", TimeSpan.FromSeconds(75));
    }

    private static async Task SaidAsync(UserWorld world, string name, string reason, string what, TimeSpan? limit = null)
    {
        var model = await world.UntilAsync(name, m => m.Condition("UploadComplete", "reason") == reason, $"{reason} is not said", limit);
        Assert.Contains(what, model.Condition("UploadComplete", "message"), StringComparison.Ordinal);
        Assert.Contains(what, model.Condition("Ready", "message"), StringComparison.Ordinal);
        await UserWorld.UntilAsync(async () => (await world.ListAsync("api/v1", "events")).Any(e => e.Text("involvedObject", "name") == name && e.Text("reason") == reason
            && e.Text("message")!.Contains(what, StringComparison.Ordinal)), () => $"no Event says {reason}");
    }
}
