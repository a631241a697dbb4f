using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>
/// The remote link to another S3-compatible store: passes requests on unchanged (signatures cover the Host that the client used, so it is kept),
/// counts and throttles the object bodies that come back, and posts the OSS event of each upload that the store has accepted.
/// </summary>
internal sealed class StoreLink : IObjectStore
{
    private const int Piece = 64 * 1024;

    // Hop by hop (RFC 9110 §7.6.1), or made anew by the client.
    private static readonly HashSet<string> s_own = new(StringComparer.OrdinalIgnoreCase) { "Host", "Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "TE", "Trailer", "Proxy-Connection", "Expect" };
    private readonly ConcurrentDictionary<(string Bucket, string Key), long> _read = new();
    private readonly ObjectStoreOptions _options;
    private readonly WebApplication _app;
    private readonly Uri _store;
    private readonly SharedLink _link;
    private readonly EventPoster _events;
    private readonly AmazonS3Client _client;
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    private StoreLink(Uri store, ObjectStoreOptions options, WebApplication app)
    {
        (_store, _options, _app) = (store, options, app);
        _link = new(options.BytesPerSecond, options.Time);
        _events = new(options);
        _client = new(new BasicAWSCredentials(options.AccessKeyId, options.AccessKeySecret), new AmazonS3Config
        {
            ServiceURL = store.ToString(),
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });
    }

    public Uri Endpoint => new(_app.Urls.First());

    public string AccessKeyId => _options.AccessKeyId;

    public string AccessKeySecret => _options.AccessKeySecret;

    public Uri? EventSink { get => _events.Sink; set => _events.Sink = value; }

    public string? EventToken { get => _events.Token; set => _events.Token = value; }

    public long BytesPerSecond { get => _link.BytesPerSecond; set => _link.BytesPerSecond = value; }

    public long BytesReadUnder(string? bucket, string prefix) =>
        _read.Where(r => (bucket is null || r.Key.Bucket == bucket) && r.Key.Key.StartsWith(prefix, StringComparison.Ordinal)).Sum(r => r.Value);

    /// <param name="store">URL of the store behind the link.</param>
    /// <exception cref="AmazonS3Exception">The store refuses the keys, or the bucket.</exception>
    public static async Task<StoreLink> StartAsync(Uri store, ObjectStoreOptions options, CancellationToken cancellationToken)
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
        var link = new StoreLink(store, options, app);
        if (!string.IsNullOrEmpty(options.Bucket))
        {
            await link._client.PutBucketAsync(options.Bucket, cancellationToken);
        }

        app.Run(link.HandleAsync);
        await app.StartAsync(cancellationToken);
        return link;
    }

    public async ValueTask DisposeAsync()
    {
        await _events.DisposeAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _client.Dispose();
        _http.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var request = context.Request;
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        using var onward = new HttpRequestMessage(new(request.Method), new Uri(_store.GetLeftPart(UriPartial.Authority) + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        onward.Headers.Host = request.Host.Value;
        if (request.ContentLength is not null || request.Headers.TransferEncoding.Count > 0)
        {
            onward.Content = new StreamContent(request.Body);
        }

        foreach (var (name, value) in request.Headers.Where(h => !s_own.Contains(h.Key)))
        {
            if (!onward.Headers.TryAddWithoutValidation(name, value.ToArray()))
            {
                onward.Content?.Headers.TryAddWithoutValidation(name, value.ToArray());
            }
        }

        try
        {
            using var answer = await _http.SendAsync(onward, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
            context.Response.StatusCode = (int)answer.StatusCode;
            foreach (var (name, value) in answer.Headers.Concat(answer.Content.Headers).Where(h => !s_own.Contains(h.Key)))
            {
                context.Response.Headers[name] = value.ToArray();
            }

            var (bucket, key) = Split(target);
            var body = HttpMethods.IsGet(request.Method) && key.Length > 0 && answer.IsSuccessStatusCode;
            if (!HttpMethods.IsHead(request.Method))
            {
                await CopyAsync(answer, context, body ? (bucket, key) : null);
            }

            if (answer.IsSuccessStatusCode && key.Length > 0 && Operation(request) is { } operation)
            {
                await PostAsync(operation, bucket, key, request.Headers["traceparent"].ToString());
            }
        }
        catch (HttpRequestException e) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = 502;
            await context.Response.WriteAsync($"the store {_store} cannot be reached: {e.Message}");
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The reader has gone.
        }
    }

    private async Task CopyAsync(HttpResponseMessage answer, HttpContext context, (string Bucket, string Key)? counted)
    {
        await using var from = await answer.Content.ReadAsStreamAsync(context.RequestAborted);
        var buffer = new byte[Piece];
        for (int read; (read = await from.ReadAsync(buffer, context.RequestAborted)) > 0;)
        {
            if (counted is { } of)
            {
                await _link.Pass(read, context.RequestAborted);
                _read.AddOrUpdate(of, read, (_, before) => before + read);
            }

            await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted);
        }
    }

    /// <summary>The OSS name of an upload's last request; null for every other.</summary>
    private static string? Operation(HttpRequest request) => request.Method switch
    {
        "PUT" when request.Query.ContainsKey("uploadId") || request.Query.ContainsKey("partNumber") => null,
        "PUT" when request.Headers.ContainsKey("x-amz-copy-source") => "CopyObject",
        "PUT" when request.Query.Count == 0 || request.Query.ContainsKey("x-id") => "PutObject",
        "POST" when request.Query.ContainsKey("uploadId") => "CompleteMultipartUpload",
        _ => null,
    };

    private async Task PostAsync(string operation, string bucket, string key, string trace)
    {
        try
        {
            var head = await _client.GetObjectMetadataAsync(bucket, key, CancellationToken.None);
            _events.Post(operation, bucket, key, head.ContentLength, head.ETag.Trim('"'), head.Headers.ContentType ?? "application/octet-stream", trace);
        }
        catch (AmazonS3Exception)
        {
            // Deleted again already: there is nothing to tell of.
        }
    }

    private static (string Bucket, string Key) Split(string target)
    {
        var path = Uri.UnescapeDataString(target.Split('?')[0]).TrimStart('/');
        var slash = path.IndexOf('/');
        return slash < 0 ? (path, "") : (path[..slash], path[(slash + 1)..]);
    }
}
