namespace Prewarm.Sandbox.ObjectStore;

/// <summary>One object; <paramref name="ETag"/> is without quotes, as S3 computes it.</summary>
internal sealed record StoredObject(byte[] Data, string ETag, string ContentType, DateTimeOffset Modified, IReadOnlyDictionary<string, string> Metadata);

/// <summary>An open multipart upload.</summary>
internal sealed class OpenUpload(string id, string key, string contentType, DateTimeOffset initiated, IReadOnlyDictionary<string, string> metadata)
{
    public string Id { get; } = id;

    public string Key { get; } = key;

    public string ContentType { get; } = contentType;

    public DateTimeOffset Initiated { get; } = initiated;

    public IReadOnlyDictionary<string, string> Metadata { get; } = metadata;

    public SortedDictionary<int, (byte[] Data, string ETag, DateTimeOffset Modified)> Parts { get; } = [];
}

/// <summary>A bucket; everything in it is used under a lock on the bucket.</summary>
internal sealed class Bucket(DateTimeOffset created)
{
    public DateTimeOffset Created { get; } = created;

    public SortedDictionary<string, StoredObject> Objects { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, OpenUpload> Uploads { get; } = [];
}
