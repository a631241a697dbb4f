using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Upload;

/// <summary>Lists everything under a prefix: open multipart uploads, then objects.</summary>
internal sealed class PrefixLister(AmazonS3Client client, SourceLocation location)
{
    public const int MaxObjects = 50_000;

    /// <summary>Uploads that have been open for long of which the parts are looked at, those begun last; the others count by their start.</summary>
    private const int MaxAskedForParts = 20;

    private const int PageSize = 1000;

    public async Task<(PrefixListing?, StoreError?)> ListAsync(TimeSpan stale, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var doing = "";
        try
        {
            // Open uploads first: one that completes in between is then seen as open or as a file, never as neither.
            doing = "listing the open multipart uploads";
            var open = await OpenAsync(cancellationToken);
            doing = "listing the parts of open multipart uploads";
            await PartsAsync(open, now - stale, cancellationToken);
            doing = "listing the objects";
            var objects = await ObjectsAsync(cancellationToken);
            return (new(now, objects, [.. open.Select(o => o.Upload)], objects.Count <= MaxObjects ? null
                : new("TooManyObjects", $"more than {MaxObjects} objects lie under {location.Prefix}: is the prefix right?", false)), null);
        }
        catch (Exception e) when (StoreFailure.Is(e))
        {
            return (null, new(e, doing));
        }
    }

    private async Task<List<StoredObject>> ObjectsAsync(CancellationToken cancellationToken)
    {
        var objects = new List<StoredObject>();
        string? token = null;
        do
        {
            // Encoded: a key may hold what XML cannot.
            var page = await client.ListObjectsV2Async(
                new() { BucketName = location.Bucket, Prefix = location.Prefix, ContinuationToken = token, MaxKeys = PageSize, Encoding = EncodingType.Url }, cancellationToken);
            Holds(page.Name);
            objects.AddRange((page.S3Objects ?? []).Select(o => new StoredObject(Key(o.Key, page.Encoding), o.Size ?? 0, o.ETag ?? "", Utc(o.LastModified))));
            token = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (token is not null && objects.Count <= MaxObjects);
        return objects;
    }

    private async Task<List<(OpenUpload Upload, string Id)>> OpenAsync(CancellationToken cancellationToken)
    {
        var open = new List<(OpenUpload, string)>();
        string? key = null, id = null;
        do
        {
            var page = await client.ListMultipartUploadsAsync(
                new ListMultipartUploadsRequest { BucketName = location.Bucket, Prefix = location.Prefix, KeyMarker = key, UploadIdMarker = id, Encoding = EncodingType.Url }, cancellationToken);
            Holds(page.BucketName);
            open.AddRange((page.MultipartUploads ?? []).Select(u => (new OpenUpload(Key(u.Key, EncodingType.Url), Utc(u.Initiated)), u.UploadId)));
            (key, id) = page.IsTruncated == true ? (Key(page.NextKeyMarker ?? "", EncodingType.Url), page.NextUploadIdMarker) : (null, null);
        }
        while (!string.IsNullOrEmpty(key) && open.Count < MaxObjects);
        return open;
    }

    /// <summary>An upload that was begun before <paramref name="since"/> may still be at work: its newest part tells.</summary>
    private async Task PartsAsync(List<(OpenUpload Upload, string Id)> open, DateTimeOffset since, CancellationToken cancellationToken)
    {
        // The younger, the likelier it is at work: a heap of dead ones may not hide it.
        var old = Enumerable.Range(0, open.Count).Where(i => open[i].Upload.Initiated <= since).OrderByDescending(i => open[i].Upload.Initiated).Take(MaxAskedForParts).ToList();
        foreach (var i in old)
        {
            open[i] = (open[i].Upload with { LastPart = await NewestPartAsync(open[i].Upload.Key, open[i].Id, cancellationToken) }, open[i].Id);
        }
    }

    private async Task<DateTimeOffset?> NewestPartAsync(string key, string id, CancellationToken cancellationToken)
    {
        DateTimeOffset? newest = null;
        string? marker = null;
        try
        {
            do
            {
                var page = await client.ListPartsAsync(new ListPartsRequest { BucketName = location.Bucket, Key = key, UploadId = id, PartNumberMarker = marker }, cancellationToken);
                var last = (page.Parts ?? []).Max(p => p.LastModified);
                newest = last is not null && (newest is null || Utc(last) > newest) ? Utc(last) : newest;
                marker = page.IsTruncated == true ? page.NextPartNumberMarker?.ToString(System.Globalization.CultureInfo.InvariantCulture) : null;
            }
            while (marker is not null);
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket")
        {
            // NoSuchUpload, or NoSuchKey on Ceph RGW.
            // Completed or aborted meanwhile: the next listing knows.
        }

        return newest;
    }

    /// <summary>A page of some proxy parses as a listing of nothing: only one that names the bucket is one.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    private void Holds(string? bucket)
    {
        if (bucket != location.Bucket)
        {
            throw new InvalidDataException("the answer is no listing of that bucket: is the endpoint an object store?");
        }
    }

    /// <summary>A key as it is. The SDK hands it on as the store has written it; a store that knows no encoding says so by not naming one.</summary>
    internal static string Key(string key, EncodingType? encoding) => encoding == EncodingType.Url ? WebUtility.UrlDecode(key) : key;

    private static DateTimeOffset Utc(DateTime? value) => value is { } v ? new DateTimeOffset(v.ToUniversalTime()) : DateTimeOffset.MinValue;
}
