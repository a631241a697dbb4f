using System.Collections.Concurrent;
using System.Net;
using System.Xml;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Upload;

/// <summary>The object store over S3, with the settings that OSS needs.</summary>
internal sealed class S3UploadSource(ObjectStoreOptions options, TimeProvider time) : IUploadSource, IDisposable
{
    public const int MaxObjects = 20_000;
    private static readonly TimeSpan ListingInterval = TimeSpan.FromSeconds(2);

    /// <summary>A listing is shared by callers, so that no caller's token but this limit ends it.</summary>
    private static readonly TimeSpan ListingTimeout = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<(StoreEndpoint, string?, string?), AmazonS3Client> _clients = new();
    private readonly ConcurrentDictionary<ModelKey, Gate> _gates = new();

    public Task<UploadObservation> ObserveAsync(CachedModel model, string? accessKeyId, string? accessKeySecret, bool fresh, CancellationToken cancellationToken)
    {
        var gate = _gates.GetOrAdd(model.Key(), _ => new Gate());
        lock (gate)
        {
            if (!fresh && gate.Latest is { } latest && gate.LatestGeneration == model.Metadata.Generation && time.GetUtcNow() - gate.LastListing < ListingInterval)
            {
                return Task.FromResult(latest);
            }

            gate.Model = model;
            gate.Id = accessKeyId;
            gate.Secret = accessKeySecret;

            // A listing that has not begun yet will see all that this caller could see: share it.
            gate.Pending ??= NextAsync(gate, gate.Running);
            return gate.Pending.WaitAsync(cancellationToken);
        }
    }

    public async Task<byte[]?> ReadAsync(
        CachedModel model, string key, int maxBytes, string? accessKeyId, string? accessKeySecret, CancellationToken cancellationToken)
    {
        var (client, location) = Open(model, accessKeyId, accessKeySecret);
        try
        {
            return client is null ? null : await GetAsync(client, location!.Bucket, key, maxBytes, null, cancellationToken);
        }
        catch (Exception e) when (e is AmazonServiceException or AmazonClientException)
        {
            throw new IOException($"the object store does not give {key}: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }

    private async Task<UploadObservation> NextAsync(Gate gate, Task? running)
    {
        await Task.Yield(); // lets the caller leave the lock
        if (running is not null)
        {
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        var wait = gate.LastListing is { } last ? last + ListingInterval - time.GetUtcNow() : TimeSpan.Zero;
        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait < ListingInterval ? wait : ListingInterval, time, CancellationToken.None);
        }

        CachedModel model;
        string? id, secret;
        lock (gate)
        {
            gate.Running = gate.Pending;
            gate.Pending = null;
            gate.LastListing = time.GetUtcNow();
            gate.Latest = null;
            (model, id, secret) = (gate.Model!, gate.Id, gate.Secret);
        }

        using var timeout = new CancellationTokenSource(ListingTimeout, time);
        try
        {
            var listed = await ListAsync(gate, model, id, secret, timeout.Token);
            lock (gate)
            {
                (gate.Latest, gate.LatestGeneration) = (listed, model.Metadata.Generation);
            }

            return listed;
        }
        catch (AmazonS3Exception e)
        {
            return Failure(e, model);
        }
        catch (Exception e) when (e is AmazonServiceException or AmazonClientException or XmlException or HttpRequestException or IOException or OperationCanceledException or TimeoutException)
        {
            return UploadObservation.Failed("StoreUnreachable", $"the object store does not answer: {e.Message}", true);
        }
    }

    private async Task<UploadObservation> ListAsync(Gate gate, CachedModel model, string? id, string? secret, CancellationToken cancellationToken)
    {
        var (client, location) = Open(model, id, secret);
        if (client is null || location is null)
        {
            return UploadObservation.Failed("InvalidSource", "spec.source needs a uri (oss://bucket/prefix) and an endpoint", false);
        }

        // Open uploads first: one that completes in between is then seen as open or as a file, never as neither.
        var open = await OpenUploadsAsync(client, location, cancellationToken);
        var objects = new List<StoredObject>();
        string? token = null;
        do
        {
            var page = await client.ListObjectsV2Async(
                new() { BucketName = location.Bucket, Prefix = location.Prefix, ContinuationToken = token, MaxKeys = 1000 }, cancellationToken);
            objects.AddRange((page.S3Objects ?? []).Select(o => new StoredObject(o.Key, o.Size ?? 0, o.ETag ?? "", Utc(o.LastModified))));
            if (objects.Count > MaxObjects)
            {
                return UploadObservation.Failed("TooManyObjects", $"more than {MaxObjects} objects lie under {location.Prefix}: is the prefix right?", false);
            }

            token = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (token is not null);

        var source = model.Spec!.Source;
        var documents = new Dictionary<(string, string), byte[]?>();
        var content = new Dictionary<string, byte[]?>(StringComparer.Ordinal);
        foreach (var file in UploadPlanner.Documents(source, location.Prefix, objects))
        {
            var cached = gate.Documents.GetValueOrDefault((file.Key, file.ETag));
            content[file.Key] = cached ?? await GetAsync(client, location.Bucket, file.Key, UploadDocuments.MaxBytes, file, cancellationToken);
            documents[(file.Key, file.ETag)] = content[file.Key];
        }

        gate.Documents = documents;
        return new(UploadPlanner.Plan(source, location.Prefix, objects, open, k => content.GetValueOrDefault(k), time.GetUtcNow()), null);
    }

    private static async Task<List<OpenUpload>> OpenUploadsAsync(AmazonS3Client client, SourceLocation location, CancellationToken cancellationToken)
    {
        var open = new List<OpenUpload>();
        string? key = null, id = null;
        do
        {
            var page = await client.ListMultipartUploadsAsync(
                new ListMultipartUploadsRequest { BucketName = location.Bucket, Prefix = location.Prefix, KeyMarker = key, UploadIdMarker = id }, cancellationToken);
            open.AddRange((page.MultipartUploads ?? []).Select(u => new OpenUpload(u.Key, Utc(u.Initiated))));
            (key, id) = page.IsTruncated == true ? (page.NextKeyMarker, page.NextUploadIdMarker) : (null, null);
        }
        while (!string.IsNullOrEmpty(key) && open.Count < MaxObjects);
        return open;
    }

    /// <param name="listed">The object must still be this one; null: any.</param>
    private static async Task<byte[]?> GetAsync(
        AmazonS3Client client, string bucket, string key, int maxBytes, StoredObject? listed, CancellationToken cancellationToken)
    {
        if (listed is { Size: 0 })
        {
            return []; // a range of an empty object is 416
        }

        try
        {
            // With a range the SDK does not compare the body with the ETag, which on OSS is often not the MD5.
            using var response = await client.GetObjectAsync(
                new GetObjectRequest { BucketName = bucket, Key = key, ByteRange = new ByteRange("bytes=0-") }, cancellationToken);
            if (response.ContentLength > maxBytes
                || (listed is not null && UploadDigest.NormalETag(response.ETag ?? "") != UploadDigest.NormalETag(listed.ETag)))
            {
                return null;
            }

            var bytes = new byte[response.ContentLength];
            await response.ResponseStream.ReadExactlyAsync(bytes, cancellationToken);
            return bytes;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound && e.ErrorCode != "NoSuchBucket")
        {
            return null;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return [];
        }
    }

    private (AmazonS3Client? Client, SourceLocation? Location) Open(CachedModel model, string? id, string? secret)
    {
        var endpoint = StoreEndpoint.Parse(string.IsNullOrEmpty(options.Endpoint) ? model.Spec?.Source.Endpoint : options.Endpoint);
        return endpoint is null || model.Location() is not { } location
            ? (null, null)
            : (_clients.GetOrAdd((endpoint, id, secret), static k => Connect(k.Item1, k.Item2, k.Item3)), location);
    }

    private static AmazonS3Client Connect(StoreEndpoint endpoint, string? id, string? secret)
    {
        var config = new AmazonS3Config
        {
            ServiceURL = endpoint.ServiceUrl,
            AuthenticationRegion = endpoint.Region,
            ForcePathStyle = endpoint.PathStyle,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            MaxErrorRetry = 2,
            Timeout = TimeSpan.FromSeconds(20),
        };
        return id is null || secret is null ? new(config) : new(new BasicAWSCredentials(id, secret), config);
    }

    private static UploadObservation Failure(AmazonS3Exception e, CachedModel model) => e switch
    {
        { ErrorCode: "NoSuchBucket" } => UploadObservation.Failed("NoSuchBucket", $"spec.source.uri is '{model.Spec?.Source.Uri}', but that bucket does not exist at {model.Spec?.Source.Endpoint}: make it, or correct the uri or the endpoint", false),
        { StatusCode: HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized } =>
            UploadObservation.Failed("AccessDenied", $"the object store refuses the keys of Secret {model.Spec?.Source.CredentialsSecret} for {model.Spec?.Source.Uri} ({e.ErrorCode}): {e.Message}", false),
        { StatusCode: < HttpStatusCode.Continue or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError } =>
            UploadObservation.Failed("StoreUnreachable", $"the object store does not answer ({e.ErrorCode}): {e.Message}", true),
        _ => UploadObservation.Failed("StoreRefused", $"the object store refuses the request ({e.ErrorCode}): {e.Message}", false),
    };

    private static DateTimeOffset Utc(DateTime? value) => value is { } v ? new DateTimeOffset(v.ToUniversalTime()) : DateTimeOffset.MinValue;

    /// <summary>What is under way for one model; its own lock.</summary>
    private sealed class Gate
    {
        public CachedModel? Model;
        public string? Id;
        public string? Secret;
        public Task<UploadObservation>? Pending;
        public Task<UploadObservation>? Running;
        public DateTimeOffset? LastListing;
        public UploadObservation? Latest;
        public long? LatestGeneration;
        public Dictionary<(string, string), byte[]?> Documents = [];
    }
}
