using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>Opens a Dataset's file for a pod: own node's cache, another node's, then the remote store (which fills the own cache when a worker runs there).</summary>
internal sealed class CachedReader(IKubeApi api, NodeStore nodes, RemoteStore remote)
{
    public async Task<Stream> OpenAsync(string node, string ns, string dataset, string path, CancellationToken cancellationToken)
    {
        foreach (var place in nodes.Nodes.OrderByDescending(n => n == node))
        {
            if (nodes.File(place, ns, dataset, path) is { } cached && File.Exists(cached))
            {
                return File.OpenRead(cached);
            }
        }

        var obj = await api.GetAsync(Kinds.Datasets, ns, dataset, cancellationToken) ?? throw new FileNotFoundException($"Dataset {ns}/{dataset} is not there");
        var want = "/" + path.TrimStart('/');
        var file = (await remote.ListAsync(obj, cancellationToken)).FirstOrDefault(f => f.Path == want) ?? throw new FileNotFoundException(want);
        var stream = await RemoteStore.OpenAsync(file, cancellationToken);
        var label = Fluid.FluidLabels.Worker(obj);
        var host = await api.GetAsync(Kinds.Nodes, null, node, cancellationToken);
        if (host.At("metadata", "labels", label) is null || nodes.File(node, ns, dataset, path) is not { } own)
        {
            return stream;
        }

        await using (stream)
        {
            await NodeStore.WriteAsync(own, stream, cancellationToken);
        }

        return File.OpenRead(own);
    }
}
