namespace Prewarm.Functions.Upload;

/// <summary>One object of a listing. The ETag may be quoted and of either case; OSS and its S3 API differ.</summary>
internal sealed record StoredObject(string Key, long Size, string ETag, DateTimeOffset LastModified);

/// <summary>A multipart upload that has neither been completed nor aborted.</summary>
internal sealed record OpenUpload(string Key, DateTimeOffset Initiated);
