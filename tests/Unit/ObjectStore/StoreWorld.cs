using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Unit.ObjectStore;

/// <summary>
/// The sandbox's object store with the functions' own client on it. With <c>PREWARM_TEST_S3</c> (URL), <c>PREWARM_TEST_S3_ACCESS_KEY</c> and
/// <c>PREWARM_TEST_S3_SECRET_KEY</c> it is that store instead: the same tests hold both. Each world has a bucket of its own.
/// </summary>
internal sealed class StoreWorld : IAsyncDisposable
{
    private const int AtOnce = 16;
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(90));
    private readonly List<IDisposable> _clients = [];
    private Store? _store;

    /// <summary>Everything a test does ends by then.</summary>
    public CancellationToken Deadline => _deadline.Token;

    /// <summary>The store is not the sandbox's.</summary>
    public bool Foreign { get; private set; }

    public Uri Endpoint { get; private set; } = null!;

    public string Bucket { get; } = $"conformance-{Guid.NewGuid():N}"[..28];

    public string AccessKey { get; private set; } = "";

    public string SecretKey { get; private set; } = "";

    public AmazonS3Client S3 { get; private set; } = null!;

    public async ValueTask StartAsync()
    {
        Foreign = Environment.GetEnvironmentVariable("PREWARM_TEST_S3") is { Length: > 0 };
        if (Foreign)
        {
            Endpoint = new(Environment.GetEnvironmentVariable("PREWARM_TEST_S3")!);
            AccessKey = Environment.GetEnvironmentVariable("PREWARM_TEST_S3_ACCESS_KEY") ?? "";
            SecretKey = Environment.GetEnvironmentVariable("PREWARM_TEST_S3_SECRET_KEY") ?? "";
        }
        else
        {
            _store = await Store.StartAsync(new(), Deadline);
            (Endpoint, AccessKey, SecretKey) = (_store.Endpoint, _store.AccessKeyId, _store.AccessKeySecret);
        }

        S3 = Client();
        await S3.PutBucketAsync(Bucket, Deadline);
    }

    /// <summary>As the functions connect, by default to the store and with its keys.</summary>
    public AmazonS3Client Client(Uri? endpoint = null, string? accessKey = null, string? secretKey = null, ObjectStoreOptions? options = null)
    {
        var client = StoreClient.Connect(StoreEndpoint.Parse((endpoint ?? Endpoint).ToString())!, accessKey ?? AccessKey, secretKey ?? SecretKey, options ?? new(), TimeProvider.System);
        _clients.Add(client);
        return client;
    }

    /// <summary>What the line lists with, over an endpoint that may be a faulty way to the store.</summary>
    public S3UploadSource Source(Uri? endpoint = null, ObjectStoreOptions? options = null)
    {
        var source = new S3UploadSource(
            new() { Endpoint = (endpoint ?? Endpoint).ToString(), Silence = (options ??= new()).Silence, ListingLimit = options.ListingLimit, Retries = options.Retries }, TimeProvider.System);
        _clients.Add(source);
        return source;
    }

    public CachedModel Model(string prefix, string when = "Auto") => new()
    {
        Metadata = new() { Name = "bloom", Namespace = "demo", Generation = 1 },
        Spec = new() { Source = new() { Uri = $"oss://{Bucket}/{prefix}", Endpoint = Endpoint.ToString(), CredentialsSecret = "access-key", Complete = new() { When = when, QuietSeconds = 0 } } },
    };

    public Task<UploadObservation> ObserveAsync(S3UploadSource source, CachedModel model, string? accessKey = null, string? secretKey = null) =>
        source.ObserveAsync(model, accessKey ?? AccessKey, secretKey ?? SecretKey, true, Deadline);

    public Task PutAsync(string key, string text = "hello") => PutAsync(key, System.Text.Encoding.UTF8.GetBytes(text));

    public Task PutAsync(string key, byte[] bytes) =>
        S3.PutObjectAsync(new() { BucketName = Bucket, Key = key, InputStream = new MemoryStream(bytes), UseChunkEncoding = false }, Deadline);

    public Task PutManyAsync(IEnumerable<string> keys) =>
        Parallel.ForEachAsync(keys, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = Deadline }, async (key, _) => await PutAsync(key, key));

    public async Task<byte[]> ReadAsync(string key, ByteRange? range = null)
    {
        using var got = await S3.GetObjectAsync(new() { BucketName = Bucket, Key = key, ByteRange = range }, Deadline);
        using var memory = new MemoryStream();
        await got.ResponseStream.CopyToAsync(memory, Deadline);
        return memory.ToArray();
    }

    /// <summary>A multipart upload of these parts, left open.</summary>
    public async Task<(string Id, List<PartETag> Parts)> BeginAsync(string key, params byte[][] parts)
    {
        var id = (await S3.InitiateMultipartUploadAsync(Bucket, key, Deadline)).UploadId;
        var tags = new List<PartETag>();
        foreach (var bytes in parts)
        {
            var part = await S3.UploadPartAsync(new()
            {
                BucketName = Bucket,
                Key = key,
                UploadId = id,
                PartNumber = tags.Count + 1,
                InputStream = new MemoryStream(bytes),
                UseChunkEncoding = false,
            }, Deadline);
            tags.Add(new(tags.Count + 1, part.ETag));
        }

        return (id, tags);
    }

    public Task<CompleteMultipartUploadResponse> CompleteAsync(string key, (string Id, List<PartETag> Parts) upload) =>
        S3.CompleteMultipartUploadAsync(new() { BucketName = Bucket, Key = key, UploadId = upload.Id, PartETags = upload.Parts }, Deadline);

    /// <summary>Runs a call that has to be refused.</summary>
    public static async Task<AmazonS3Exception> RefusedAsync(Func<Task> call) => await Assert.ThrowsAnyAsync<AmazonS3Exception>(call);

    public async ValueTask DisposeAsync()
    {
        if (Foreign)
        {
            await EmptyAsync();
        }

        _clients.ForEach(c => c.Dispose());
        await (_store?.DisposeAsync() ?? ValueTask.CompletedTask);
        _deadline.Dispose();
    }

    private async Task EmptyAsync()
    {
        var uploads = await S3.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Bucket, Encoding = EncodingType.Url }, CancellationToken.None);
        foreach (var upload in uploads.MultipartUploads ?? [])
        {
            await S3.AbortMultipartUploadAsync(Bucket, PrefixLister.Key(upload.Key, EncodingType.Url), upload.UploadId, CancellationToken.None);
        }

        for (List<S3Object> found; (found = (await S3.ListObjectsV2Async(new() { BucketName = Bucket, Encoding = EncodingType.Url }, CancellationToken.None)).S3Objects ?? []).Count > 0;)
        {
            // One by one: many a store refuses or breaks on DeleteObjects.
            await Parallel.ForEachAsync(found, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (o, token) => await S3.DeleteObjectAsync(Bucket, PrefixLister.Key(o.Key, EncodingType.Url), token));
        }

        await S3.DeleteBucketAsync(Bucket, CancellationToken.None);
    }
}
