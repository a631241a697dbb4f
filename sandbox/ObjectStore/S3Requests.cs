using System.Net;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>One request: 1. the signature, 2. bucket and key, 3. the body, as far as it is what was signed, 4. the operation.</summary>
internal sealed class S3Requests(SignatureV4 signature, Uploads uploads, SharedLink link, TimeProvider time, Action<string, string, int> counted, ListingLog listings)
{
    private const int Piece = 64 * 1024;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Bucket> _buckets = new(StringComparer.Ordinal);

    public void AddBucket(string name)
    {
        lock (_lock)
        {
            _buckets.TryAdd(name, new(name, time.GetUtcNow()));
        }
    }

    public async Task HandleAsync(HttpContext context)
    {
        try
        {
            await RouteAsync(context);
        }
        catch (S3Error e) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = e.Status;
            var body = new XElement("Error", new XElement("Code", e.Code), new XElement("Message", e.Message), new XElement("RequestId", context.TraceIdentifier));
            await (HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : S3Xml.AnswerAsync(context, body));
        }
        catch (Exception e) when (context.RequestAborted.IsCancellationRequested && e is OperationCanceledException or IOException)
        {
            // The reader has gone.
        }
    }

    private async Task RouteAsync(HttpContext context)
    {
        // 1, 2, 3
        var (request, response) = (context.Request, context.Response);
        var payload = signature.Verify(request);
        var (name, key) = Address(context);
        var (body, md5) = await payload.ReadAsync(request.Body, context.RequestAborted);

        // 4
        var query = request.Query;
        if (name.Length == 0)
        {
            await S3Xml.AnswerAsync(context, Buckets());
            return;
        }

        if (key.Length == 0 && HttpMethods.IsPut(request.Method) && !query.ContainsKey("policy"))
        {
            AddBucket(name);
            return;
        }

        var bucket = Find(name);
        if (key.Length == 0 && query.ContainsKey("policy"))
        {
            await PolicyAsync(context, bucket, body);
            return;
        }

        if (bucket.Policy?.Denies(BucketPolicy.Action(request, key), name, key) == true)
        {
            throw new S3Error(403, "AccessDenied", "Access denied by bucket policy.");
        }

        var upload = query["uploadId"].ToString();
        var source = request.Headers["x-amz-copy-source"].ToString();
        switch (request.Method)
        {
            case "HEAD" when key.Length == 0:
                return;
            case "GET" when key.Length == 0 && query.ContainsKey("location"):
                await S3Xml.AnswerAsync(context, new("LocationConstraint", "oss-cn-hangzhou"));
                return;
            case "GET" when key.Length == 0:
                if (!query.ContainsKey("uploads") && !query.ContainsKey("continuation-token") && !query.ContainsKey("marker"))
                {
                    listings.Add(name, query["prefix"].ToString());
                }

                await S3Xml.AnswerAsync(context, query.ContainsKey("uploads") ? Listings.Uploads(bucket, query) : Listings.Objects(bucket, query));
                return;
            case "GET" when upload.Length > 0:
                await S3Xml.AnswerAsync(context, Listings.Parts(bucket, key, upload));
                return;
            case "GET" or "HEAD":
                await SendAsync(context, bucket, key);
                return;
            case "POST" when key.Length == 0 && query.ContainsKey("delete"):
                await S3Xml.AnswerAsync(context, await uploads.DeleteManyAsync(bucket, request, body, md5));
                return;
            case "POST" when query.ContainsKey("uploads"):
                await S3Xml.AnswerAsync(context, uploads.Begin(bucket, key, request));
                return;
            case "POST" when upload.Length > 0:
                await S3Xml.AnswerAsync(context, await uploads.CompleteAsync(bucket, key, request, body));
                return;
            case "PUT" when source.Length > 0:
                var from = Source(source);
                await S3Xml.AnswerAsync(context, upload.Length > 0 ? await uploads.PartCopyAsync(bucket, key, request, from) : await uploads.CopyAsync(bucket, key, request, from));
                return;
            case "PUT" when upload.Length > 0:
                uploads.Part(bucket, key, request, body, md5);
                response.Headers.ETag = $"\"{md5}\"";
                return;
            case "PUT":
                response.Headers.ETag = $"\"{uploads.Put(bucket, key, request, body, md5)}\"";
                return;
            case "DELETE" when upload.Length > 0:
                uploads.Abort(bucket, key, request);
                response.StatusCode = 204;
                return;
            case "DELETE" when key.Length == 0:
                Remove(bucket);
                response.StatusCode = 204;
                return;
            case "DELETE" when key.Length > 0:
                uploads.Delete("DeleteObject", bucket, key, request);
                response.StatusCode = 204;
                return;
            default:
                throw new S3Error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
        }
    }

    private static async Task PolicyAsync(HttpContext context, Bucket bucket, Blob body)
    {
        switch (context.Request.Method)
        {
            case "PUT":
                bucket.Policy = await BucketPolicy.ReadAsync(body);
                context.Response.StatusCode = 204;
                return;
            case "DELETE":
                bucket.Policy = null;
                context.Response.StatusCode = 204;
                return;
            default:
                await context.Response.WriteAsync(bucket.Policy?.Text ?? throw new S3Error(404, "NoSuchBucketPolicy", "The bucket policy does not exist."));
                return;
        }
    }

    private static (string Bucket, string Key) Address(HttpContext context)
    {
        var path = Uri.UnescapeDataString(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?')[0])[1..];
        var host = context.Request.Host.Host;
        if (IPAddress.TryParse(host, out _) || !host.Contains('.'))
        {
            return path.IndexOf('/') is var slash and >= 0 ? (path[..slash], path[(slash + 1)..]) : (path, "");
        }

        // Virtual host style: bucket.s3.region… as on OSS, or bucket.localhost.
        var end = host.IndexOf(".s3.", StringComparison.Ordinal);
        return (host[..(end > 0 ? end : host.LastIndexOf('.'))], path);
    }

    private StoredObject Source(string header)
    {
        var parts = Uri.UnescapeDataString(header.Split('?')[0]).TrimStart('/').Split('/', 2);
        return Find(parts[0]).Find(parts[^1]);
    }

    private Bucket Find(string name)
    {
        lock (_lock)
        {
            return _buckets.GetValueOrDefault(name) ?? throw new S3Error(404, "NoSuchBucket", "The specified bucket does not exist.");
        }
    }

    private void Remove(Bucket bucket)
    {
        lock (_lock)
        {
            lock (bucket)
            {
                if (bucket.Objects.Count > 0)
                {
                    throw new S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.");
                }

                _buckets.Remove(bucket.Name);
            }
        }
    }

    private XElement Buckets()
    {
        lock (_lock)
        {
            return new("ListAllMyBucketsResult", new XElement("Owner", new XElement("ID", "sandbox")), new XElement("Buckets",
                _buckets.Values.Select(b => new XElement("Bucket", new XElement("Name", b.Name), new XElement("CreationDate", S3Xml.Time(b.Created))))));
        }
    }

    private async Task SendAsync(HttpContext context, Bucket bucket, string key)
    {
        var stored = bucket.Find(key);
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
        foreach (var (name, value) in stored.Metadata)
        {
            response.Headers[name] = value;
        }

        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        await foreach (var run in stored.Data.Slice(first, last - first + 1).RunsAsync(Piece))
        {
            await link.Pass(run.Length, context.RequestAborted);
            await response.Body.WriteAsync(run, context.RequestAborted);
            counted(bucket.Name, key, run.Length);
        }
    }
}
