using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>An S3-compatible object store in memory, on a free loopback port, that checks signatures, counts and throttles what is read, and posts OSS events.</summary>
internal sealed class ObjectStore : IObjectStore
{
    private const int Piece = 64 * 1024;
    private static readonly XNamespace Ns = "http://s3.amazonaws.com/doc/2006-03-01/";
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Bucket> _buckets = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Bucket, string Key), long> _read = [];
    private readonly ObjectStoreOptions _options;
    private readonly SignatureV4 _signature;
    private readonly SharedLink _link;
    private readonly EventPoster _events;
    private readonly WebApplication _app;

    private ObjectStore(ObjectStoreOptions options, WebApplication app)
    {
        (_options, _app) = (options, app);
        _signature = new(options.AccessKeyId, options.AccessKeySecret);
        _link = new(options.BytesPerSecond, options.Time);
        _events = new(options);
    }

    public Uri Endpoint => new(_app.Urls.First());

    public string AccessKeyId => _options.AccessKeyId;

    public string AccessKeySecret => _options.AccessKeySecret;

    /// <summary>Where events go; may be set once the functions listen.</summary>
    public Uri? EventSink { get => _events.Sink; set => _events.Sink = value; }

    public string? EventToken { get => _events.Token; set => _events.Token = value; }

    public long BytesPerSecond { get => _link.BytesPerSecond; set => _link.BytesPerSecond = value; }

    /// <summary>Bytes of object bodies sent to readers.</summary>
    public long BytesRead => BytesReadUnder(null, "");

    /// <summary>Bytes of object bodies sent, of keys under a prefix; a null bucket means all.</summary>
    public long BytesReadUnder(string? bucket, string prefix)
    {
        lock (_lock)
        {
            return _read.Where(r => (bucket is null || r.Key.Bucket == bucket) && r.Key.Key.StartsWith(prefix, StringComparison.Ordinal)).Sum(r => r.Value);
        }
    }

    public static async Task<ObjectStore> StartAsync(ObjectStoreOptions options, CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k =>
        {
            k.Limits.MaxRequestBodySize = null;
            k.RequestHeaderEncodingSelector = _ => Encoding.UTF8;
            k.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        var store = new ObjectStore(options, app);
        if (!string.IsNullOrEmpty(options.Bucket))
        {
            store._buckets[options.Bucket] = new(options.Time.GetUtcNow());
        }

        app.Run(store.Handle);
        await app.StartAsync(ct);
        return store;
    }

    public async ValueTask DisposeAsync()
    {
        await _events.DisposeAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task Handle(HttpContext context)
    {
        try
        {
            using var buffer = new MemoryStream();
            await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
            await Route(context, _signature.Verify(context.Request, buffer.ToArray()));
        }
        catch (S3Error e) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = e.Status;
            var body = new XElement("Error", new XElement("Code", e.Code), new XElement("Message", e.Message), new XElement("RequestId", context.TraceIdentifier));
            await (HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : Xml(context, body));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The reader has gone.
        }
    }

    private async Task Route(HttpContext context, byte[] body)
    {
        var (request, response) = (context.Request, context.Response);
        var path = Uri.UnescapeDataString(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?')[0])[1..];
        var host = request.Host.Host;
        string name, key;
        if (IPAddress.TryParse(host, out _) || !host.Contains('.'))
        {
            (name, key) = path.IndexOf('/') is var slash and >= 0 ? (path[..slash], path[(slash + 1)..]) : (path, "");
        }
        else
        {
            // Virtual host style: bucket.s3.region… as on OSS, or bucket.localhost.
            var end = host.IndexOf(".s3.", StringComparison.Ordinal);
            (name, key) = (host[..(end > 0 ? end : host.LastIndexOf('.'))], path);
        }

        var query = request.Query;
        var now = _options.Time.GetUtcNow();
        if (name.Length == 0)
        {
            XElement list;
            lock (_lock)
            {
                list = new("ListAllMyBucketsResult", new XElement("Owner", new XElement("ID", "sandbox")), new XElement("Buckets",
                    _buckets.Select(b => new XElement("Bucket", new XElement("Name", b.Key), new XElement("CreationDate", Time(b.Value.Created))))));
            }

            await Xml(context, list);
            return;
        }

        if (key.Length == 0 && HttpMethods.IsPut(request.Method))
        {
            lock (_lock)
            {
                _buckets.TryAdd(name, new(now));
            }

            return;
        }

        Bucket? bucket;
        lock (_lock)
        {
            bucket = _buckets.GetValueOrDefault(name);
        }

        if (bucket is null)
        {
            throw new S3Error(404, "NoSuchBucket", "The specified bucket does not exist.");
        }

        string? trace = request.Headers["traceparent"];
        var uploadId = query["uploadId"].ToString();
        switch (request.Method)
        {
            case "HEAD" when key.Length == 0:
                return;
            case "GET" when key.Length == 0 && query.ContainsKey("uploads"):
                await Xml(context, ListUploads(name, bucket, query["prefix"].ToString()));
                return;
            case "GET" when key.Length == 0:
                await Xml(context, List(name, bucket, query));
                return;
            case "GET" when uploadId.Length > 0:
                await Xml(context, ListParts(name, bucket, key, uploadId));
                return;
            case "GET" or "HEAD":
                await Read(context, name, bucket, key);
                return;
            case "POST" when query.ContainsKey("uploads"):
                var open = new OpenUpload(Guid.NewGuid().ToString("N"), key, ContentType(request), now, Metadata(request));
                lock (bucket)
                {
                    bucket.Uploads[open.Id] = open;
                }

                _events.Post("InitiateMultipartUpload", name, key, 0, "", open.ContentType, trace);
                await Xml(context, new("InitiateMultipartUploadResult", new XElement("Bucket", name), new XElement("Key", key), new XElement("UploadId", open.Id)));
                return;
            case "PUT" when uploadId.Length > 0:
                var part = new StoredObject(body, Md5(body), "", now, new Dictionary<string, string>());
                lock (bucket)
                {
                    Upload(bucket, key, uploadId).Parts[int.Parse(query["partNumber"].ToString(), CultureInfo.InvariantCulture)] = (body, part.ETag, now);
                }

                response.Headers.ETag = $"\"{part.ETag}\"";
                _events.Post("UploadPart", name, key, part.Data.Length, part.ETag, part.ContentType, trace);
                return;
            case "POST" when uploadId.Length > 0:
                await Xml(context, Complete(name, bucket, key, uploadId, body, trace));
                return;
            case "DELETE" when uploadId.Length > 0:
                lock (bucket)
                {
                    bucket.Uploads.Remove(Upload(bucket, key, uploadId).Id);
                }

                response.StatusCode = 204;
                return;
            case "PUT" when request.Headers["x-amz-copy-source"].ToString() is { Length: > 0 } source:
                var from = Uri.UnescapeDataString(source).TrimStart('/').Split('/', 2);
                Bucket? other;
                lock (_lock)
                {
                    other = _buckets.GetValueOrDefault(from[0]);
                }

                var copy = Find(other ?? throw new S3Error(404, "NoSuchBucket", "The specified bucket does not exist."), from[^1]) with { Modified = now };
                Store("CopyObject", name, bucket, key, copy, trace);
                await Xml(context, new("CopyObjectResult", new XElement("LastModified", Time(now)), new XElement("ETag", $"\"{copy.ETag}\"")));
                return;
            case "PUT":
                var put = new StoredObject(body, Md5(body), ContentType(request), now, Metadata(request));
                Store("PutObject", name, bucket, key, put, trace);
                response.Headers.ETag = $"\"{put.ETag}\"";
                return;
            case "DELETE":
                lock (bucket)
                {
                    bucket.Objects.Remove(key);
                }

                response.StatusCode = 204;
                return;
            default:
                throw new S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
        }
    }

    private void Store(string operation, string name, Bucket bucket, string key, StoredObject stored, string? trace)
    {
        lock (bucket)
        {
            bucket.Objects[key] = stored;
        }

        _events.Post(operation, name, key, stored.Data.Length, stored.ETag, stored.ContentType, trace);
    }

    private async Task Read(HttpContext context, string name, Bucket bucket, string key)
    {
        var stored = Find(bucket, key);
        var response = context.Response;
        long first = 0, last = stored.Data.Length - 1;
        if (context.Request.GetTypedHeaders().Range is { Unit.Value: "bytes", Ranges.Count: 1 } header)
        {
            var range = header.Ranges.Single();
            (first, last) = range.From is { } start ? (start, Math.Min(range.To ?? last, last)) : (Math.Max(0, last + 1 - range.To!.Value), last);
            if (first > last)
            {
                throw new S3Error(416, "InvalidRange", "The requested range cannot be satisfied.");
            }

            response.StatusCode = 206;
            response.Headers.ContentRange = $"bytes {first}-{last}/{stored.Data.Length}";
        }

        response.Headers.ETag = $"\"{stored.ETag}\"";
        response.Headers.LastModified = stored.Modified.ToString("R");
        response.Headers.AcceptRanges = "bytes";
        response.ContentType = stored.ContentType;
        response.ContentLength = last - first + 1;
        foreach (var (header2, value) in stored.Metadata)
        {
            response.Headers[header2] = value;
        }

        for (var at = first; at <= last && HttpMethods.IsGet(context.Request.Method); at += Piece)
        {
            var piece = stored.Data.AsMemory((int)at, (int)Math.Min(Piece, last - at + 1));
            await _link.Pass(piece.Length, context.RequestAborted);
            await response.Body.WriteAsync(piece, context.RequestAborted);
            lock (_lock)
            {
                _read[(name, key)] = _read.GetValueOrDefault((name, key)) + piece.Length;
            }
        }
    }

    /// <summary>ListObjects V1 and V2: keys and common prefixes in order, after the marker, at most max-keys.</summary>
    private static XElement List(string name, Bucket bucket, IQueryCollection query)
    {
        var v2 = query["list-type"] == "2";
        var (prefix, delimiter, token) = (query["prefix"].ToString(), query["delimiter"].ToString(), query["continuation-token"].ToString());
        var after = v2 ? token.Length > 0 ? Encoding.UTF8.GetString(Convert.FromBase64String(token)) : query["start-after"].ToString() : query["marker"].ToString();
        var max = int.TryParse(query["max-keys"], out var asked) ? Math.Clamp(asked, 0, 1000) : 1000;
        Func<string, string> encode = query["encoding-type"] == "url" ? s => Uri.EscapeDataString(s).Replace("%2F", "/") : s => s;
        var (items, prefixes, last, truncated) = (new List<XElement>(), new List<string>(), "", false);
        lock (bucket)
        {
            foreach (var (key, o) in bucket.Objects)
            {
                if (!key.StartsWith(prefix, StringComparison.Ordinal) || string.CompareOrdinal(key, after) <= 0)
                {
                    continue;
                }

                var cut = delimiter.Length > 0 ? key.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal) : -1;
                var common = cut < 0 ? null : key[..(cut + delimiter.Length)];
                if (common is not null && (common == last || (after.Length > 0 && after == common)))
                {
                    continue;
                }

                if (items.Count + prefixes.Count >= max)
                {
                    truncated = max > 0;
                    break;
                }

                last = common ?? key;
                if (common is not null)
                {
                    prefixes.Add(common);
                    continue;
                }

                items.Add(new("Contents", new XElement("Key", encode(key)), new XElement("LastModified", Time(o.Modified)), new XElement("ETag", $"\"{o.ETag}\""),
                    new XElement("Size", o.Data.Length), new XElement("StorageClass", "STANDARD")));
            }
        }

        return new("ListBucketResult", new XElement("Name", name), new XElement("Prefix", encode(prefix)), new XElement("MaxKeys", max), new XElement("IsTruncated", truncated),
            v2 ? new XElement("KeyCount", items.Count + prefixes.Count) : null,
            query.ContainsKey("encoding-type") ? new XElement("EncodingType", "url") : null,
            truncated ? v2 ? new XElement("NextContinuationToken", Convert.ToBase64String(Encoding.UTF8.GetBytes(last))) : new XElement("NextMarker", encode(last)) : null,
            items, prefixes.Select(p => new XElement("CommonPrefixes", new XElement("Prefix", encode(p)))));
    }

    private static XElement ListUploads(string name, Bucket bucket, string prefix)
    {
        lock (bucket)
        {
            return new("ListMultipartUploadsResult", new XElement("Bucket", name), new XElement("Prefix", prefix), new XElement("IsTruncated", false),
                bucket.Uploads.Values.Where(u => u.Key.StartsWith(prefix, StringComparison.Ordinal)).OrderBy(u => u.Key, StringComparer.Ordinal).Select(u =>
                    new XElement("Upload", new XElement("Key", u.Key), new XElement("UploadId", u.Id), new XElement("Initiated", Time(u.Initiated)))));
        }
    }

    private static XElement ListParts(string name, Bucket bucket, string key, string id)
    {
        lock (bucket)
        {
            return new("ListPartsResult", new XElement("Bucket", name), new XElement("Key", key), new XElement("UploadId", id), new XElement("IsTruncated", false),
                Upload(bucket, key, id).Parts.Select(p => new XElement("Part", new XElement("PartNumber", p.Key), new XElement("LastModified", Time(p.Value.Modified)),
                    new XElement("ETag", $"\"{p.Value.ETag}\""), new XElement("Size", p.Value.Data.Length))));
        }
    }

    private XElement Complete(string name, Bucket bucket, string key, string id, byte[] body, string? trace)
    {
        StoredObject stored;
        lock (bucket)
        {
            var upload = Upload(bucket, key, id);
            using var stream = new MemoryStream(body);
            var wanted = XDocument.Load(stream).Descendants().Where(e => e.Name.LocalName == "Part").Select(p =>
                (Number: (int)p.Elements().First(e => e.Name.LocalName == "PartNumber"), ETag: p.Elements().First(e => e.Name.LocalName == "ETag").Value.Trim('"'))).ToList();
            if (wanted.Count == 0 || wanted.Any(w => !upload.Parts.TryGetValue(w.Number, out var p) || !string.Equals(p.ETag, w.ETag, StringComparison.OrdinalIgnoreCase)))
            {
                throw new S3Error(400, "InvalidPart", "One or more of the specified parts could not be found.");
            }

            var parts = wanted.Select(w => upload.Parts[w.Number]).ToList();
            var etag = $"{Md5([.. parts.SelectMany(p => Convert.FromHexString(p.ETag))])}-{parts.Count}";
            stored = new([.. parts.SelectMany(p => p.Data)], etag, upload.ContentType, _options.Time.GetUtcNow(), upload.Metadata);
            bucket.Uploads.Remove(id);
        }

        Store("CompleteMultipartUpload", name, bucket, key, stored, trace);
        return new("CompleteMultipartUploadResult", new XElement("Bucket", name), new XElement("Key", key), new XElement("ETag", $"\"{stored.ETag}\""));
    }

    private static StoredObject Find(Bucket bucket, string key)
    {
        lock (bucket)
        {
            return bucket.Objects.GetValueOrDefault(key) ?? throw new S3Error(404, "NoSuchKey", "The specified key does not exist.");
        }
    }

    private static OpenUpload Upload(Bucket bucket, string key, string id) =>
        bucket.Uploads.TryGetValue(id, out var upload) && upload.Key == key ? upload : throw new S3Error(404, "NoSuchUpload", "The specified upload does not exist.");

    private static string ContentType(HttpRequest request) => request.ContentType ?? "application/octet-stream";

    private static Dictionary<string, string> Metadata(HttpRequest request) =>
        request.Headers.Where(h => h.Key.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase)).ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString());

    private static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");

#pragma warning disable CA5351 // S3's ETag is an MD5.
    private static string Md5(byte[] data) => Convert.ToHexStringLower(MD5.HashData(data));
#pragma warning restore CA5351

    private static Task Xml(HttpContext context, XElement body)
    {
        if (body.Name.LocalName != "Error")
        {
            foreach (var element in body.DescendantsAndSelf())
            {
                element.Name = Ns + element.Name.LocalName;
            }
        }

        context.Response.ContentType = "application/xml";
        return context.Response.WriteAsync("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + body.ToString(SaveOptions.DisableFormatting), context.RequestAborted);
    }
}
