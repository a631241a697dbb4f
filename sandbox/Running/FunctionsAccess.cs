using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Running;

/// <summary>The functions' own account: a ServiceAccount with just the rights they need, and a kubeconfig with its token.</summary>
internal static class FunctionsAccess
{
    public const string Namespace = "prewarm-system";
    private const string Name = "prewarm";
    private static readonly string[] s_read = ["get", "list", "watch"];
    private static readonly string[] s_write = ["get", "list", "watch", "create", "update", "patch", "delete"];

    public static async Task<string> WriteKubeconfigAsync(IKubeApi api, AccountAccess access, string file, CancellationToken cancellationToken)
    {
        await api.EnsureAsync(Kinds.Namespaces, new() { ["metadata"] = new JsonObject { ["name"] = Namespace } }, cancellationToken);
        await api.EnsureAsync(Kinds.ServiceAccounts, new() { ["metadata"] = new JsonObject { ["name"] = Name, ["namespace"] = Namespace } }, cancellationToken);
        var role = await api.EnsureAsync(Kinds.ClusterRoles, new() { ["metadata"] = new JsonObject { ["name"] = Name }, ["rules"] = Rules() }, cancellationToken);
        await api.MergePatchAsync(Kinds.ClusterRoles, null, role!.Name(), new JsonObject { ["rules"] = Rules() }.ToJsonString(), null, cancellationToken);
        await api.EnsureAsync(Kinds.ClusterRoleBindings, new()
        {
            ["metadata"] = new JsonObject { ["name"] = Name },
            ["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "ClusterRole", ["name"] = Name },
            ["subjects"] = Json.Array([new JsonObject { ["kind"] = "ServiceAccount", ["name"] = Name, ["namespace"] = Namespace }]),
        }, cancellationToken);
        return await access.WriteKubeconfigAsync(Namespace, Name, file, cancellationToken);
    }

    private static JsonArray Rules()
    {
        static JsonObject Rule(string group, string[] resources, string[] verbs) => new()
        {
            ["apiGroups"] = Json.Array([group]),
            ["resources"] = Json.Array(resources.Select(r => (JsonNode)r)),
            ["verbs"] = Json.Array(verbs.Select(v => (JsonNode)v)),
        };
        return Json.Array([
            Rule("prewarm.dev", ["cachedmodels", "cachedmodels/status", "cachedmodels/finalizers"], ["get", "list", "watch", "update", "patch"]),
            Rule("data.fluid.io", ["datasets", "jindoruntimes", "dataloads"], s_write),
            Rule("serving.kserve.io", ["inferenceservices"], s_write),
            Rule("serving.knative.dev", ["revisions"], ["get", "list", "watch", "patch"]),
            Rule("autoscaling.internal.knative.dev", ["podautoscalers"], ["get", "list", "watch", "patch"]),
            Rule("", ["secrets"], ["get"]),
            Rule("", ["pods", "nodes"], s_read),
            Rule("", ["pods"], ["delete"]),
            Rule("", ["events"], ["create", "patch", "update", "get"]),
            Rule("", ["configmaps"], ["get", "list", "watch", "create", "update", "patch"]),
            Rule("batch", ["jobs"], s_write)]);
    }
}
