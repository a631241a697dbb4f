using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;

namespace Prewarm.Sandbox.Story;

/// <summary>What the platform engineer applies: the tutorial's namespace and Secret, and one CachedModel in place of its other manifests.</summary>
internal static class TutorialObjects
{
    public const string Namespace = "kserve-fluid-demo";
    public const string Name = "bloom";
    public const string ModelName = "bloom";
    public const string Prefix = "models/bloom";

    public static async Task ApplyAsync(SandboxSystem system, CancellationToken cancellationToken)
    {
        var api = system.Api;
        await api.EnsureAsync(Kinds.Namespaces, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, cancellationToken);
        static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        await ApplyAsync(api, Kinds.Secrets, new()
        {
            ["metadata"] = new JsonObject { ["name"] = "access-key", ["namespace"] = Namespace },
            ["data"] = new JsonObject { ["fs.oss.accessKeyId"] = Base64(system.Store.AccessKeyId), ["fs.oss.accessKeySecret"] = Base64(system.Store.AccessKeySecret) },
        }, cancellationToken);
        await ApplyAsync(api, Kinds.CachedModels, Model(system.Bucket), cancellationToken);
    }

    private static JsonObject Model(string bucket) => new()
    {
        ["metadata"] = new JsonObject { ["name"] = Name, ["namespace"] = Namespace },
        ["spec"] = new JsonObject
        {
            ["source"] = new JsonObject
            {
                ["uri"] = $"oss://{bucket}/{Prefix}",
                ["endpoint"] = "oss-cn-hangzhou-internal.aliyuncs.com",
                ["credentialsSecret"] = "access-key",
                ["complete"] = new JsonObject { ["quietSeconds"] = 6 },
            },
            ["serving"] = new JsonObject
            {
                ["name"] = "fluid-bloom",
                ["modelName"] = ModelName,
                ["platform"] = "ACK",
                ["predictor"] = new JsonObject
                {
                    ["timeout"] = 600,
                    ["minReplicas"] = 0,
                    ["containers"] = Json.Array([new JsonObject
                    {
                        ["name"] = "kserve-container",
                        ["image"] = "registry.cn-hangzhou.aliyuncs.com/acs/kserve-fluid:bloom-gpu",
                        ["resources"] = new JsonObject
                        {
                            ["limits"] = new JsonObject { ["cpu"] = "12", ["memory"] = "48Gi", ["nvidia.com/gpu"] = 1 },
                            ["requests"] = new JsonObject { ["cpu"] = "12", ["memory"] = "48Gi" },
                        },
                        ["env"] = Json.Array([new JsonObject { ["name"] = "GPU_ENABLED", ["value"] = "True" }]),
                    }]),
                },
            },
        },
    };

    private static Task<JsonObject> ApplyAsync(IKubeApi api, ResourceType<JsonObject> type, JsonObject obj, CancellationToken cancellationToken)
    {
        obj["apiVersion"] = type.ApiVersion;
        obj["kind"] = type.Kind;
        return api.ApplyAsync(type, obj.Namespace(), obj.Name(), obj, "platform-engineer", true, null, cancellationToken);
    }
}
