namespace Prewarm.Sandbox.Cluster;

/// <summary>Nodes as folders: <c>root/nodes/NODE/cache/NAMESPACE/DATASET/PATH</c>.</summary>
internal sealed class NodeStore(string root, int nodes)
{
    private const string Partial = ".part";

    public IReadOnlyList<string> Nodes { get; } = [.. Enumerable.Range(1, nodes).Select(i => $"node-{i}")];

    public string Folder(string node, string ns, string dataset) => Path.Combine(root, "nodes", node, "cache", ns, dataset);

    /// <summary>The file's place; null when the path would leave the cache folder.</summary>
    public string? File(string node, string ns, string dataset, string path)
    {
        var folder = Path.GetFullPath(Folder(node, ns, dataset));
        var file = Path.GetFullPath(Path.Combine(folder, path.TrimStart('/')));
        return file.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal) ? file : null;
    }

    /// <summary>Bytes in a dataset's cache folder, unfinished files excluded.</summary>
    public long Bytes(string node, string ns, string dataset)
    {
        var folder = new DirectoryInfo(Folder(node, ns, dataset));
        return folder.Exists
            ? folder.EnumerateFiles("*", SearchOption.AllDirectories).Where(f => !f.Name.EndsWith(Partial, StringComparison.Ordinal)).Sum(f => f.Length)
            : 0;
    }

    public void Clear(string node, string ns, string dataset)
    {
        var folder = Folder(node, ns, dataset);
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, true);
        }
    }

    /// <summary>Writes beside the place and renames: a reader never sees half a file.</summary>
    public static async Task WriteAsync(string file, Stream content, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var partial = $"{file}.{Guid.NewGuid():N}{Partial}";
        try
        {
            await using (var output = System.IO.File.Create(partial))
            {
                await content.CopyToAsync(output, cancellationToken);
            }

            System.IO.File.Move(partial, file, true);
        }
        finally
        {
            System.IO.File.Delete(partial);
        }
    }
}
