using System.Collections.Concurrent;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>
/// Opens a Dataset's file for a pod: 1. own node's cache, 2. another node's, 3. the remote store, which fills the own node's cache when a worker runs there.
/// Two readers of one cold file on one node cross the remote link once.
/// </summary>
internal sealed class CachedReader(IKubeApi api, NodeStore nodes, RemoteStore remote)
{
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _filling = new();

    /// <exception cref="FileNotFoundException">Neither the Dataset nor the object is there.</exception>
    public async Task<Stream> OpenAsync(string node, string ns, string dataset, string path, CancellationToken cancellationToken)
    {
        // 1, 2
        if (Cached(node, ns, dataset, path) is { } cached)
        {
            return cached;
        }

        // 3
        var obj = await api.GetAsync(Kinds.Datasets, ns, dataset, cancellationToken) ?? throw new FileNotFoundException($"Dataset {ns}/{dataset} is not there");
        var host = await api.GetAsync(Kinds.Nodes, null, node, cancellationToken);
        var own = host.At("metadata", "labels", Fluid.FluidLabels.Worker(obj)) is null ? null : nodes.File(node, ns, dataset, path);
        if (own is null)
        {
            return await RemoteStore.OpenAsync(await FindAsync(), cancellationToken);
        }

        var turn = _filling.GetOrAdd(own, _ => new(1));
        await turn.WaitAsync(cancellationToken);
        try
        {
            if (Cached(node, ns, dataset, path) is { } meanwhile)
            {
                return meanwhile;
            }

            var file = await FindAsync();
            await using (var stream = await RemoteStore.OpenAsync(file, cancellationToken))
            {
                await NodeStore.WriteAsync(own, stream, file.Bytes, cancellationToken);
            }

            return File.OpenRead(own);
        }
        finally
        {
            turn.Release();
        }

        async Task<RemoteFile> FindAsync()
        {
            var want = "/" + path.TrimStart('/');
            return await remote.FindAsync(obj, want, cancellationToken) ?? throw new FileNotFoundException(want);
        }
    }

    private FileStream? Cached(string node, string ns, string dataset, string path)
    {
        foreach (var place in nodes.Nodes.OrderByDescending(n => n == node))
        {
            try
            {
                if (nodes.File(place, ns, dataset, path) is { } file && File.Exists(file))
                {
                    return File.OpenRead(file);
                }
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                // Evicted between the two calls.
            }
        }

        return null;
    }
}
