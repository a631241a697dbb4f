using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>What makes and removes objects, and the OSS event of each.</summary>
internal sealed class Uploads(EventPoster events, TimeProvider time)
{
    /// <summary>Bytes of every part but the last, as OSS wants it (its "Multipart upload" page); S3 itself wants 5 MiB.</summary>
    public const int SmallestPart = 100 * 1024;

    public string Put(Bucket bucket, string key, HttpRequest request, Blob body, string md5)
    {
        Store("PutObject", bucket, key, new(body, md5, ContentType(request), time.GetUtcNow(), Metadata(request)), Trace(request));
        return md5;
    }

    /// <param name="source">The object that is copied; a multipart one gets the ETag of a whole.</param>
    public async Task<XElement> CopyAsync(Bucket bucket, string key, HttpRequest request, StoredObject source)
    {
        var now = time.GetUtcNow();
        var etag = source.ETag.Contains('-') ? await Md5Async(source.Data) : source.ETag;
        var replace = request.Headers["x-amz-metadata-directive"] == "REPLACE";
        Store("CopyObject", bucket, key, new(source.Data, etag, replace ? ContentType(request) : source.ContentType, now, replace ? Metadata(request) : source.Metadata), Trace(request));
        return new("CopyObjectResult", new XElement("LastModified", S3Xml.Time(now)), new XElement("ETag", $"\"{etag}\""));
    }

    public XElement Begin(Bucket bucket, string key, HttpRequest request)
    {
        var open = new OpenUpload(Guid.NewGuid().ToString("N"), key, ContentType(request), time.GetUtcNow(), Metadata(request));
        lock (bucket)
        {
            bucket.Uploads[open.Id] = open;
        }

        events.Post("InitiateMultipartUpload", bucket.Name, key, 0, "", open.ContentType, Trace(request));
        return new("InitiateMultipartUploadResult", new XElement("Bucket", bucket.Name), new XElement("Key", key), new XElement("UploadId", open.Id));
    }

    public void Part(Bucket bucket, string key, HttpRequest request, Blob body, string md5) => Part("UploadPart", bucket, key, request, body, md5);

    public async Task<XElement> PartCopyAsync(Bucket bucket, string key, HttpRequest request, StoredObject source)
    {
        var part = source.Data;
        if (request.Headers["x-amz-copy-source-range"].ToString() is { Length: > 0 } text)
        {
            if (!RangeHeaderValue.TryParse(text, out var range) || range.Ranges.Single() is not { From: { } from, To: { } to } || to >= part.Length || from > to)
            {
                throw new S3Error(400, "InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last and within the source object.");
            }

            part = part.Slice(from, to - from + 1);
        }

        var etag = await Md5Async(part);
        Part("UploadPartCopy", bucket, key, request, part, etag);
        return new("CopyPartResult", new XElement("LastModified", S3Xml.Time(time.GetUtcNow())), new XElement("ETag", $"\"{etag}\""));
    }

    public async Task<XElement> CompleteAsync(Bucket bucket, string key, HttpRequest request, Blob body)
    {
        var id = request.Query["uploadId"].ToString();
        var wanted = (await S3Xml.ReadAsync(body)).All("Part").Select(p => (Number: int.TryParse(p.Text("PartNumber"), out var n) ? n : 0, ETag: p.Text("ETag").Trim('"'))).ToList();
        if (wanted.Zip(wanted.Skip(1)).Any(p => p.First.Number >= p.Second.Number))
        {
            throw new S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
        }

        StoredObject stored;
        lock (bucket)
        {
            var upload = bucket.Upload(key, id);
            if (wanted.Count == 0 || wanted.Any(w => !upload.Parts.TryGetValue(w.Number, out var p) || !string.Equals(p.ETag, w.ETag, StringComparison.OrdinalIgnoreCase)))
            {
                throw new S3Error(400, "InvalidPart", "One or more of the specified parts could not be found.");
            }

            var parts = wanted.Select(w => upload.Parts[w.Number]).ToList();
            if (parts.SkipLast(1).Any(p => p.Data.Length < SmallestPart))
            {
                throw new S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.");
            }

#pragma warning disable CA5351 // S3's ETag is an MD5.
            var etag = $"{Convert.ToHexStringLower(MD5.HashData([.. parts.SelectMany(p => Convert.FromHexString(p.ETag))]))}-{parts.Count}";
#pragma warning restore CA5351
            stored = new(Blob.Concat(parts.Select(p => p.Data)), etag, upload.ContentType, time.GetUtcNow(), upload.Metadata);
            bucket.Uploads.Remove(id);
        }

        Store("CompleteMultipartUpload", bucket, key, stored, Trace(request));
        return new("CompleteMultipartUploadResult", new XElement("Bucket", bucket.Name), new XElement("Key", key), new XElement("ETag", $"\"{stored.ETag}\""));
    }

    public void Abort(Bucket bucket, string key, HttpRequest request)
    {
        lock (bucket)
        {
            bucket.Uploads.Remove(bucket.Upload(key, request.Query["uploadId"].ToString()).Id);
        }

        events.Post("AbortMultipartUpload", bucket.Name, key, 0, "", "", Trace(request));
    }

    public void Delete(string operation, Bucket bucket, string key, HttpRequest request)
    {
        StoredObject? gone;
        lock (bucket)
        {
            bucket.Objects.Remove(key, out gone);
        }

        if (gone is not null)
        {
            events.Post(operation, bucket.Name, key, gone.Data.Length, gone.ETag, gone.ContentType, Trace(request), -gone.Data.Length);
        }
    }

    /// <summary>DeleteObjects. OSS asks for Content-MD5, which many an SDK has replaced by a checksum of its own (facts: object-store.md §2).</summary>
    public async Task<XElement> DeleteManyAsync(Bucket bucket, HttpRequest request, Blob body, string md5)
    {
        if (request.Headers["Content-MD5"].ToString() is not { Length: > 0 } given)
        {
            throw new S3Error(400, "MissingArgument", "Missing Some Required Arguments: Content-MD5.");
        }

        if (given != Convert.ToBase64String(Convert.FromHexString(md5)))
        {
            throw new S3Error(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
        }

        var xml = await S3Xml.ReadAsync(body);
        var keys = xml.All("Object").Select(o => o.Text("Key")).ToList();
        if (keys.Count is 0 or > 1000)
        {
            throw new S3Error(400, "MalformedXML", "Between 1 and 1000 keys can be deleted at once.");
        }

        keys.ForEach(k => Delete("DeleteObjects", bucket, k, request));
        return new("DeleteResult", xml.Text("Quiet") == "true" ? null : keys.Select(k => new XElement("Deleted", new XElement("Key", k))));
    }

    private void Part(string operation, Bucket bucket, string key, HttpRequest request, Blob body, string md5)
    {
        if (!int.TryParse(request.Query["partNumber"], CultureInfo.InvariantCulture, out var number) || number is < 1 or > 10_000)
        {
            throw new S3Error(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive.");
        }

        lock (bucket)
        {
            bucket.Upload(key, request.Query["uploadId"].ToString()).Parts[number] = (body, md5, time.GetUtcNow());
        }

        events.Post(operation, bucket.Name, key, body.Length, md5, "", Trace(request));
    }

    private void Store(string operation, Bucket bucket, string key, StoredObject stored, string? trace)
    {
        if (Encoding.UTF8.GetByteCount(key) > 1023)
        {
            throw new S3Error(400, "KeyTooLongError", "Your key is too long.");
        }

        StoredObject? before;
        lock (bucket)
        {
            before = bucket.Objects.GetValueOrDefault(key);
            bucket.Objects[key] = stored;
        }

        events.Post(operation, bucket.Name, key, stored.Data.Length, stored.ETag, stored.ContentType, trace, stored.Data.Length - (before?.Data.Length ?? 0));
    }

    private static async Task<string> Md5Async(Blob data)
    {
#pragma warning disable CA5351 // S3's ETag is an MD5.
        using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
        await foreach (var run in data.RunsAsync(1 << 16))
        {
            md5.AppendData(run.Span);
        }

        return Convert.ToHexStringLower(md5.GetHashAndReset());
    }

    private static string? Trace(HttpRequest request) => request.Headers["traceparent"];

    private static string ContentType(HttpRequest request) => request.ContentType ?? "application/octet-stream";

    private static Dictionary<string, string> Metadata(HttpRequest request) =>
        request.Headers.Where(h => h.Key.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase)).ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString());
}
