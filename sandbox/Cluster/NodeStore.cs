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

    /// <summary>Bytes in a dataset's cache folder, those of files still being written included.</summary>
    public long Bytes(string node, string ns, string dataset)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                var folder = new DirectoryInfo(Folder(node, ns, dataset));
                return folder.Exists ? folder.EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) : 0;
            }
            catch (IOException) when (tries < 20)
            {
                // A file was renamed or the folder wiped under our eyes: the next look is right again.
            }
        }
    }

    /// <summary>Bytes of a dataset on all nodes.</summary>
    public long Bytes(string ns, string dataset) => Nodes.Sum(n => Bytes(n, ns, dataset));

    /// <summary>Removes a dataset's cache folder and the namespace's, when it is the last in it.</summary>
    public void Clear(string node, string ns, string dataset)
    {
        var folder = Folder(node, ns, dataset);
        for (var tries = 0; Directory.Exists(folder); tries++)
        {
            try
            {
                Directory.Delete(folder, true);
                if (!Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(folder)!).Any())
                {
                    Directory.Delete(Path.GetDirectoryName(folder)!);
                }
            }
            catch (IOException) when (tries < 20)
            {
                // A file was written meanwhile.
            }
        }
    }

    /// <summary>Writes beside the place and renames: a reader never sees half a file.</summary>
    /// <param name="bytes">What has to arrive; null takes what comes.</param>
    /// <exception cref="EndOfStreamException">Fewer or more bytes came.</exception>
    public static async Task WriteAsync(string file, Stream content, long? bytes, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var partial = $"{file}.{Guid.NewGuid():N}{Partial}";
        try
        {
            await using (var output = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.Read, 0, useAsync: true))
            {
                await content.CopyToAsync(output, cancellationToken);
                if (bytes is not null && output.Length != bytes)
                {
                    throw new EndOfStreamException($"{Path.GetFileName(file)}: {output.Length} of {bytes} bytes came");
                }
            }

            System.IO.File.Move(partial, file, true);
        }
        finally
        {
            System.IO.File.Delete(partial);
        }
    }
}
