using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>The PersistentVolume and claim by which pods mount a Dataset: PVC <c>ns/name</c>, PV <c>ns-name</c>, class <c>fluid</c>.</summary>
internal sealed class DatasetVolume(IKubeApi api)
{
    public async Task EnsureAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        var (ns, name) = (dataset.Namespace(), dataset.Name());
        var volume = await api.EnsureAsync(Kinds.Volumes, new()
        {
            ["metadata"] = new JsonObject { ["name"] = $"{ns}-{name}", ["labels"] = Created() },
            ["spec"] = new JsonObject
            {
                ["capacity"] = new JsonObject { ["storage"] = "100Pi" },
                ["accessModes"] = Json.Array(["ReadOnlyMany"]),
                ["persistentVolumeReclaimPolicy"] = "Retain",
                ["storageClassName"] = "fluid",
                ["claimRef"] = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "PersistentVolumeClaim", ["namespace"] = ns, ["name"] = name },
                ["csi"] = new JsonObject { ["driver"] = "fuse.csi.fluid.io", ["volumeHandle"] = $"{ns}-{name}" },
            },
        }, cancellationToken);
        var claim = await api.EnsureAsync(Kinds.Claims, new()
        {
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = ns, ["labels"] = Created() },
            ["spec"] = new JsonObject
            {
                ["accessModes"] = Json.Array(["ReadOnlyMany"]),
                ["storageClassName"] = "fluid",
                ["volumeName"] = $"{ns}-{name}",
                ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "100Pi" } },
            },
        }, cancellationToken);
        if (volume is not null && claim is not null)
        {
            await api.SetStatusAsync(Kinds.Volumes, volume, new() { ["phase"] = "Bound" }, cancellationToken);
            await api.SetStatusAsync(Kinds.Claims, claim, new() { ["phase"] = "Bound", ["capacity"] = new JsonObject { ["storage"] = "100Pi" } }, cancellationToken);
        }
    }

    public async Task DeleteAsync(JsonObject dataset, CancellationToken cancellationToken)
    {
        await api.DeleteAsync(Kinds.Claims, dataset.Namespace(), dataset.Name(), null, false, cancellationToken);
        await api.DeleteAsync(Kinds.Volumes, null, $"{dataset.Namespace()}-{dataset.Name()}", null, false, cancellationToken);
    }

    /// <summary>Names of the pods that mount the claim and have not ended.</summary>
    public async Task<string[]> UsersAsync(JsonObject dataset, CancellationToken cancellationToken) =>
        [.. (await api.ListAsync(Kinds.Pods, dataset.Namespace(), null, cancellationToken)).Items
            .Where(p => p.Text("status", "phase") is not ("Succeeded" or "Failed")
                && p.At("spec", "volumes").Objects().Any(v => v.Text("persistentVolumeClaim", "claimName") == dataset.Name()))
            .Select(p => p.Name())];

    private static JsonObject Created() => new() { ["fluid.io/created-by"] = "fluid" };
}
