namespace Prewarm.Functions.Upload;

/// <summary>One object of a listing. The ETag may be quoted and of either case; OSS and its S3 API differ.</summary>
internal sealed record StoredObject(string Key, long Size, string ETag, DateTimeOffset LastModified);

/// <summary>A multipart upload that has neither been completed nor aborted.</summary>
/// <param name="LastPart">When its newest part came; null when it has none or nobody asked, which is done only for an upload that has been open for long.</param>
internal sealed record OpenUpload(string Key, DateTimeOffset Initiated, DateTimeOffset? LastPart = null)
{
    /// <summary>When it last showed that somebody is at work.</summary>
    public DateTimeOffset LastSign => LastPart > Initiated ? LastPart.Value : Initiated;
}
