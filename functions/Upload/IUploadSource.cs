using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Upload;

/// <summary>What lies in the object store under a model's prefix, judged.</summary>
internal interface IUploadSource
{
    /// <summary>Lists the prefix (at most once in 2 s and process: a fresher call waits), reads the small files that completeness needs, and judges every version.</summary>
    /// <param name="accessKeyId">From the credentials Secret; null for ambient credentials.</param>
    /// <param name="fresh">The listing begins after this call. False takes the last one while it is younger than 2 s.</param>
    Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken);

    /// <summary>Reads a whole small object, such as golden.jsonl; null when it is missing or larger than <paramref name="maxBytes"/>.</summary>
    /// <exception cref="IOException">The store does not answer, or refuses.</exception>
    Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken);
}

/// <summary>The judged listing; or, with <see cref="Failure"/>, why there is none.</summary>
internal sealed record UploadObservation(IReadOnlyList<UploadedVersion> Versions, UploadFailure? Failure)
{
    /// <summary>Of the objects that were listed, sorted.</summary>
    public ulong[] Marks { get; init; } = [];

    /// <summary>Keys in no folder, where the folders are the versions though the spec leaves that open.</summary>
    public IReadOnlyList<string> Beside { get; init; } = [];

    /// <summary>Whether the listing held this very object: an event about it says nothing new.</summary>
    public bool Has(string key, string etag) => Array.BinarySearch(Marks, PrefixListing.Mark(key, etag)) >= 0;

    public static UploadObservation Failed(string reason, string message, bool transient) => new([], new(reason, message, transient));
}

/// <param name="Reason">CamelCase, for a condition: AccessDenied, NoSuchBucket, StoreUnreachable, TooManyObjects …</param>
internal sealed record UploadFailure(string Reason, string Message, bool Transient);

/// <summary>One version's files as they lie in the store now.</summary>
/// <param name="Name">The folder's name (Folders) or <c>flat</c> (Flat).</param>
/// <param name="Prefix">Full key prefix of the version, empty or ending with a slash.</param>
/// <param name="Digest">32 hex digits of SHA-256 over sorted (full key, size, ETag) of the version's files.</param>
/// <param name="Complete">Whether the upload counts as complete.</param>
/// <param name="Reason">CamelCase reason: MarkerPresent, IndexSatisfied, ManifestSatisfied, Quiet; or MultipartOpen, MissingFiles, EmptyFiles, NotQuietYet, MarkerMissing, UnusableKey, MalformedIndex, MalformedGolden …</param>
/// <param name="Message">For a person; names missing files.</param>
/// <param name="NextLook">When time alone may change the verdict.</param>
/// <param name="LastChange">Newest LastModified of its files; of its marker, where that says that it is complete.</param>
/// <param name="GoldenKey">Full key of golden.jsonl, when there.</param>
/// <param name="Refused">The upload can never work as it is (unusable key, malformed index): the version is Refused with Message.</param>
internal sealed record UploadedVersion(
    string Name, string Prefix, string Digest, int Files, long Bytes, bool Complete, string Reason, string Message,
    DateTimeOffset? NextLook, DateTimeOffset LastChange, string? GoldenKey, bool Stalled = false, bool Refused = false)
{
    /// <summary>Keys of multipart uploads that are left out, because nothing of them came for <c>complete.stalledAfterMinutes</c>.</summary>
    public IReadOnlyList<string> Abandoned { get; init; } = [];
}
