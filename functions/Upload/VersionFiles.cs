namespace Prewarm.Functions.Upload;

/// <summary>What lies in the store of one version.</summary>
/// <param name="Digest">See <see cref="UploadDigest"/>.</param>
/// <param name="Files">Sorted by key, without the marker.</param>
internal sealed record VersionFiles(string Name, string Prefix, string Digest, List<StoredObject> Files, StoredObject? Marker, List<OpenUpload> Open);
