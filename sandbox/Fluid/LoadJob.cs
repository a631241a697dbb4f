using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Fluid;

/// <summary>
/// A DataLoad's Job: copies the target paths into the workers' cache folders. Each byte crosses the remote link once, further copies come from the first.
/// A file that a worker has no room for stays remote, and the Job completes nevertheless (issues fluid#633, #1460).
/// </summary>
/// <param name="workers">Nodes of the cache workers.</param>
/// <param name="quota">Bytes that one worker may hold.</param>
internal sealed class LoadJob(NodeStore nodes, RemoteStore remote, JsonObject dataset, string[] workers, double quota)
{
    private readonly string _ns = dataset.Namespace();
    private readonly string _name = dataset.Name();

    /// <exception cref="FileNotFoundException">Nothing is under a target path.</exception>
    public async Task RunAsync(JsonObject load, CancellationToken cancellationToken)
    {
        var targets = load.At("spec", "target").Objects().Select(t => (Path: t.Text("path") ?? "/", Copies: t.Number("replicas") ?? 1)).ToList();
        if (targets.Count == 0)
        {
            if (dataset.At("spec", "mounts").Objects().Count() > 1)
            {
                throw new InvalidOperationException("a DataLoad of a Dataset with several mounts needs target paths");
            }

            targets.Add(("/", 1));
        }

        // The script joins paths with ":", drops blanks, and splits again (fluid charts/fluid-dataloader/jindocache).
        var all = await remote.ListAsync(dataset, cancellationToken);
        foreach (var (path, copies) in targets.SelectMany(t => t.Path.Replace(" ", "", StringComparison.Ordinal).Split(':', StringSplitOptions.RemoveEmptyEntries).Select(p => (p.TrimEnd('/'), t.Copies))))
        {
            var files = all.Where(f => f.Path == path || f.Path.StartsWith(path + "/", StringComparison.Ordinal)).ToArray();
            if (files.Length == 0)
            {
                throw new FileNotFoundException($"ls: {path}: No such file or directory");
            }

            for (var i = 0; i < files.Length; i++)
            {
                await OneAsync(files[i], [.. Enumerable.Range(i, Math.Min(copies, workers.Length)).Select(w => workers[w % workers.Length])], cancellationToken);
            }
        }
    }

    private async Task OneAsync(RemoteFile file, string[] places, CancellationToken cancellationToken)
    {
        bool Has(string node) => nodes.File(node, _ns, _name, file.Path) is { } f && new FileInfo(f) is { Exists: true } info && info.Length == file.Bytes;
        var source = nodes.Nodes.FirstOrDefault(Has);
        foreach (var node in places.Where(n => !Has(n)))
        {
            var place = nodes.File(node, _ns, _name, file.Path) ?? throw new InvalidDataException($"{file.Path} leaves the cache folder");
            if (nodes.Bytes(node, _ns, _name) + file.Bytes > quota)
            {
                continue;
            }

            await using var content = source is null
                ? await RemoteStore.OpenAsync(file, cancellationToken)
                : File.OpenRead(nodes.File(source, _ns, _name, file.Path)!);
            await NodeStore.WriteAsync(place, content, file.Bytes, cancellationToken);
            source ??= node;
        }
    }
}
