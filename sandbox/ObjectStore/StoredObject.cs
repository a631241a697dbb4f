namespace Prewarm.Sandbox.ObjectStore;

/// <summary>One object; <paramref name="ETag"/> is without quotes, as S3 computes it.</summary>
internal sealed record StoredObject(Blob Data, string ETag, string ContentType, DateTimeOffset Modified, IReadOnlyDictionary<string, string> Metadata);

/// <summary>An open multipart upload.</summary>
internal sealed class OpenUpload(string id, string key, string contentType, DateTimeOffset initiated, IReadOnlyDictionary<string, string> metadata)
{
    public string Id { get; } = id;

    public string Key { get; } = key;

    public string ContentType { get; } = contentType;

    public DateTimeOffset Initiated { get; } = initiated;

    public IReadOnlyDictionary<string, string> Metadata { get; } = metadata;

    public SortedDictionary<int, (Blob Data, string ETag, DateTimeOffset Modified)> Parts { get; } = [];
}

/// <summary>A bucket; everything in it is used under a lock on the bucket.</summary>
internal sealed class Bucket(string name, DateTimeOffset created)
{
    public string Name { get; } = name;

    public DateTimeOffset Created { get; } = created;

    public BucketPolicy? Policy { get; set; }

    public SortedDictionary<string, StoredObject> Objects { get; } = new(Utf8Order.Instance);

    public Dictionary<string, OpenUpload> Uploads { get; } = [];

    /// <exception cref="S3Error">404.</exception>
    public StoredObject Find(string key)
    {
        lock (this)
        {
            return Objects.GetValueOrDefault(key) ?? throw new S3Error(404, "NoSuchKey", "The specified key does not exist.");
        }
    }

    /// <exception cref="S3Error">404. The caller holds the lock.</exception>
    public OpenUpload Upload(string key, string id) =>
        Uploads.TryGetValue(id, out var upload) && upload.Key == key ? upload : throw new S3Error(404, "NoSuchUpload", "The specified upload does not exist.");
}
