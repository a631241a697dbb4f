using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.ControllerManager;

/// <summary>
/// What a bare kube-apiserver lacks of kube-controller-manager: owner-reference garbage collection, the release of volume protection,
/// and a default ServiceAccount (kubernetes pkg/controller/{garbagecollector,volume/pvcprotection,serviceaccount}). For the sandbox's kinds only.
/// </summary>
internal sealed class GarbageCollector(IKubeApi api, TimeProvider time, Action<string> log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly ResourceType<JsonObject>[] s_owners =
        [Kinds.InferenceServices, Kinds.Services, Kinds.Revisions, Kinds.JindoRuntimes, Kinds.Datasets, Kinds.Jobs];

    private static readonly ResourceType<JsonObject>[] s_owned =
        [Kinds.Services, Kinds.Revisions, Kinds.PodAutoscalers, Kinds.Pods, Kinds.DataLoads, Kinds.JindoRuntimes];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Pause, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            try
            {
                await AccountsAsync(cancellationToken);
                await CollectAsync(cancellationToken);
                await ReleaseAsync(Kinds.Claims, "kubernetes.io/pvc-protection", cancellationToken);
                await ReleaseAsync(Kinds.Volumes, "kubernetes.io/pv-protection", cancellationToken);
            }
            catch (Exception e) when (e is KubeApiException or HttpRequestException && !cancellationToken.IsCancellationRequested)
            {
                log($"garbage collector: {e.Message}");
            }
        }
    }

    private async Task AccountsAsync(CancellationToken cancellationToken)
    {
        foreach (var ns in (await api.ListAsync(Kinds.Namespaces, null, null, cancellationToken)).Items.Where(n => !n.Deleting()))
        {
            await api.EnsureAsync(Kinds.ServiceAccounts, new()
            {
                ["metadata"] = new JsonObject { ["name"] = "default", ["namespace"] = ns.Name() },
                ["automountServiceAccountToken"] = false,
            }, cancellationToken);
        }
    }

    private async Task CollectAsync(CancellationToken cancellationToken)
    {
        // Dependents first: an owner that is made in between is then seen, and its child not taken for an orphan.
        var dependents = new List<(ResourceType<JsonObject> Type, JsonObject Object)>();
        foreach (var type in s_owned)
        {
            dependents.AddRange((await api.ListAsync(type, null, null, cancellationToken)).Items.Where(o => !o.Deleting()).Select(o => (type, o)));
        }

        var owners = new HashSet<string>(StringComparer.Ordinal);
        foreach (var type in s_owners)
        {
            owners.UnionWith((await api.ListAsync(type, null, null, cancellationToken)).Items.Select(o => o.Text("metadata", "uid")!));
        }

        var kinds = s_owners.Select(o => o.Kind).ToHashSet(StringComparer.Ordinal);
        foreach (var (type, obj) in dependents)
        {
            var references = obj.At("metadata", "ownerReferences").Objects().ToArray();
            if (references.Length > 0 && references.All(r => kinds.Contains(r.Text("kind")!) && !owners.Contains(r.Text("uid")!)))
            {
                await api.DeleteAsync(type, obj.Namespace(), obj.Name(), obj.Text("metadata", "uid"), false, cancellationToken);
            }
        }
    }

    private async Task ReleaseAsync(ResourceType<JsonObject> type, string finalizer, CancellationToken cancellationToken)
    {
        foreach (var volume in (await api.ListAsync(type, null, null, cancellationToken)).Items.Where(v => v.Deleting()))
        {
            var kept = (volume.At("metadata", "finalizers") as JsonArray ?? []).Select(f => f!.ToString()).Where(f => f != finalizer);
            var patch = new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = Json.Array(kept.Select(f => (JsonNode)f)) } };
            await api.MergePatchAsync(type, type.Namespaced ? volume.Namespace() : null, volume.Name(), patch.ToJsonString(), null, cancellationToken);
        }
    }
}
