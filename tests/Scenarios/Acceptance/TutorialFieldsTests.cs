using System.Text.Json.Nodes;
using Prewarm.Functions.Pipeline;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>A model of an own text, in an own bucket, under names as long as the schema lets them be, becomes what the tutorial writes by hand.</summary>
public sealed class TutorialFieldsTests(SharedSandbox shared)
{
    internal const string Ns = "a-namespace-with-forty-characters-in-it0";
    private const string Name = "a-cached-model-whose-name-has-fifty-characters-all";
    private const string Serverless = "ecs.gn6i-c16g1.4xlarge";

    [Fact(Explicit = true)]
    public async Task LongNames_OnAck_ServesItsText()
    {
        Assert.Equal((40, 50), (Ns.Length, Name.Length));
        var world = await shared.WorldAsync(Ns);
        await world.ModelAsync(Name, "deep/below/own-models", m => m["spec"]!["serving"]!["name"] = "own-service");
        await world.UploadAsync(await TrainedModels.FolderAsync("harbour"), "deep/below/own-models/2026-11-24");
        var model = await world.ServesAsync(Name, "2026-11-24");
        var version = model.Version("2026-11-24");
        Assert.Equal("no golden.jsonl: readiness only", version.Text("message"));
        TrainedModels.AssertFrom("harbour", await world.AskAsync($"/v1/models/{Name}:predict", TrainedModels.Prompt));

        await FluidFieldsAsync(world, model, version!, "deep/below/own-models/2026-11-24");
        var service = await world.ServiceAsync("own-service");
        Marked(service, version!);
        Assert.Null(service.At("metadata", "labels", "alibabacloud.com/fluid-sidecar-target"));
        Assert.True(JsonSubset.Covers(service.At("spec", "predictor"), JsonNode.Parse($$"""
            {"timeout":600,"minReplicas":0,"containers":[{"name":"kserve-container","image":"example.com/kserve-fluid:ngram","env":[
              {"name":"STORAGE_URI","value":"pvc://{{version.Text("dataset")}}{{version.Text("path")}}"},{"name":"MODEL_NAME","value":"{{Name}}"}]}]}
            """)), service!.ToJsonString());

        await world.DeleteModelAsync(Name);
        await world.GoneAsync(Name);
        await world.NothingLeftAsync();
    }

    [Fact(Explicit = true)]
    public async Task OnAckServerless_ServesFromItsSidecars()
    {
        var world = await shared.WorldAsync("serverless");
        await world.ModelAsync("pears", "pears", m =>
        {
            var serving = m["spec"]!["serving"]!;
            serving["platform"] = "ACKServerless";
            serving["eciSpecs"] = Serverless;
            serving["modelName"] = "pear-tree";
            var container = serving["predictor"]!["containers"]![0]!;
            container["resources"] = JsonNode.Parse("""{"limits":{"cpu":"12","memory":"48Gi","nvidia.com/gpu":1},"requests":{"cpu":"12","memory":"48Gi"}}""");
            container["env"] = JsonNode.Parse("""[{"name":"GPU_ENABLED","value":"False"}]""");
        });
        await world.UploadAsync(await TrainedModels.FolderAsync("orchard"), "pears/first");
        var version = (await world.ServesAsync("pears", "first")).Version("first");
        TrainedModels.AssertFrom("orchard", await world.AskAsync("/v1/models/pear-tree:predict", TrainedModels.Prompt));

        var service = await world.ServiceAsync("pears");
        Marked(service, version!);
        Assert.True(JsonSubset.Covers(service, JsonNode.Parse($$$"""
            {"metadata":{"labels":{"alibabacloud.com/fluid-sidecar-target":"eci"},
              "annotations":{"k8s.aliyun.com/eci-use-specs":"{{{Serverless}}}","knative.aliyun.com/reserve-instance-eci-use-specs":"{{{Serverless}}}"} },
             "spec":{"predictor":{"timeout":600,"minReplicas":0,"containers":[{"resources":{"limits":{"cpu":"12","memory":"48Gi"},"requests":{"cpu":"12","memory":"48Gi"}},
              "env":[{"name":"GPU_ENABLED","value":"False"},{"name":"STORAGE_URI","value":"pvc://{{{version.Text("dataset")}}}/pears"},{"name":"MODEL_NAME","value":"pear-tree"}]}]} } }
            """)), service!.ToJsonString());
        Assert.Null(service.At("spec", "predictor", "containers")![0].At("resources", "limits", "nvidia.com/gpu"));

        // Pods with sidecars are on no node of the cache.
        Assert.Equal("Remote", (await world.ModelAsync("pears")).Text("status", "locality", "verdict"));
    }

    private static async Task FluidFieldsAsync(UserWorld world, JsonObject model, JsonObject version, string folder)
    {
        var (dataset, mount) = (version.Text("dataset")!, version.Text("path")!.TrimStart('/'));
        Assert.InRange(dataset.Length, 1, 37);
        var set = await world.FluidAsync("datasets", dataset);
        Marked(set, version);
        Assert.True(JsonSubset.Covers(set.At("spec"), JsonNode.Parse($$$"""
            {"mounts":[{"mountPoint":"oss://{{{world.Bucket}}}/{{{folder}}}","name":"{{{mount}}}","path":"/{{{mount}}}","options":{"fs.oss.endpoint":"oss-cn-shanghai-internal.aliyuncs.com"},
              "encryptOptions":[{"name":"fs.oss.accessKeyId","valueFrom":{"secretKeyRef":{"name":"access-key","key":"fs.oss.accessKeyId"} } },
                                {"name":"fs.oss.accessKeySecret","valueFrom":{"secretKeyRef":{"name":"access-key","key":"fs.oss.accessKeySecret"} } }]}],
             "accessModes":["ReadOnlyMany"],"placement":"Shared"}
            """)), set!.ToJsonString());
        var runtime = await world.FluidAsync("jindoruntimes", dataset);
        Marked(runtime, version);
        Assert.True(JsonSubset.Covers(runtime.At("spec"), JsonNode.Parse("""
            {"replicas":2,"tieredstore":{"levels":[{"mediumtype":"SSD","volumeType":"emptyDir","path":"/mnt/ssd0/cache","quota":"50Gi","high":"0.95","low":"0.7"}]},
             "fuse":{"properties":{"fs.jindofsx.data.cache.enable":"true"},"args":["-okernel_cache","-oro","-oattr_timeout=7200","-oentry_timeout=7200","-ometrics_port=9089"],"cleanPolicy":"OnDemand"} }
            """)), runtime!.ToJsonString());
        var load = await world.FluidAsync("dataloads", version.Text("dataLoad")!);
        Marked(load, version);
        Assert.True(JsonSubset.Covers(load.At("spec"), JsonNode.Parse($$"""
            {"dataset":{"name":"{{dataset}}","namespace":"{{model.Namespace()}}"},"loadMetadata":true,"target":[{"path":"/{{mount}}","replicas":2}]}
            """)), load!.ToJsonString());
    }

    /// <summary>The labels and annotations of all that Prewarm makes.</summary>
    private static void Marked(JsonObject? made, JsonObject version)
    {
        Assert.NotNull(made);
        Assert.Equal("prewarm", made.Text("metadata", "labels", "app.kubernetes.io/managed-by"));
        Assert.Equal(version.Text("name"), made.Text("metadata", "labels", "prewarm.dev/version"));
        var owner = made.At("metadata", "ownerReferences").Objects().Single(o => o.Text("kind") == "CachedModel");
        Assert.Equal(owner.Text("name"), made.Text("metadata", "labels", "prewarm.dev/model"));
        Assert.Equal(version.Text("digest"), made.Text("metadata", "annotations", "prewarm.dev/digest"));
    }
}
