namespace Prewarm.Functions.Kubernetes;

/// <summary>Reading from an API server, or from what was read of it. Failures are <see cref="KubeApiException"/> (with the server's Status) or I/O exceptions.</summary>
internal interface IKubeReader
{
    /// <summary>Reads one object; null when it does not exist (404).</summary>
    Task<T?> GetAsync<T>(ResourceType<T> type, string? ns, string name, CancellationToken cancellationToken) where T : class;

    /// <summary>Lists all pages of a collection; <paramref name="ns"/> null means every namespace.</summary>
    Task<KubeList<T>> ListAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, CancellationToken cancellationToken) where T : class;

}

/// <summary>What Prewarm asks of a Kubernetes API server.</summary>
internal interface IKubeApi : IKubeReader
{
    /// <summary>One watch connection from <paramref name="resourceVersion"/>, bookmarks included. Ends when the server closes it; 410 is a <see cref="KubeApiException"/>.</summary>
    IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ResourceType<T> type, string? ns, string? labelSelector, string resourceVersion, CancellationToken cancellationToken) where T : class;

    /// <summary>Server-side apply of <paramref name="desired"/> (or of its status with <paramref name="subresource"/> "status").</summary>
    Task<T> ApplyAsync<T>(ResourceType<T> type, string? ns, string name, T desired, string fieldManager, bool force, string? subresource, CancellationToken cancellationToken) where T : class;

    /// <summary>Creates an object (POST). AlreadyExists is a <see cref="KubeApiException"/> with status 409.</summary>
    Task<T> CreateAsync<T>(ResourceType<T> type, string? ns, T obj, CancellationToken cancellationToken) where T : class;

    /// <summary>Replaces an object or its status (PUT); metadata.resourceVersion in the object is the precondition.</summary>
    Task<T> ReplaceAsync<T>(ResourceType<T> type, string? ns, string name, T obj, string? subresource, CancellationToken cancellationToken) where T : class;

    /// <summary>JSON merge patch (RFC 7396) of an object or a subresource.</summary>
    Task<T> MergePatchAsync<T>(ResourceType<T> type, string? ns, string name, string patch, string? subresource, CancellationToken cancellationToken) where T : class;

    /// <summary>Deletes an object (background propagation, grace period 0 when asked for); false when it was already gone.</summary>
    Task<bool> DeleteAsync<T>(ResourceType<T> type, string? ns, string name, string? uid, bool now, CancellationToken cancellationToken) where T : class;
}

/// <summary>A complete list and the resourceVersion to watch from.</summary>
internal sealed record KubeList<T>(IReadOnlyList<T> Items, string ResourceVersion);

internal enum WatchEventType { Added, Modified, Deleted, Bookmark }

/// <summary>One line of a watch; <see cref="Object"/> is null for a bookmark.</summary>
internal sealed record WatchEvent<T>(WatchEventType Type, string? Namespace, string Name, string ResourceVersion, T? Object) where T : class;
