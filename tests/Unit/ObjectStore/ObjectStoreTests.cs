using System.Net;
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Sandbox.ObjectStore;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Unit.ObjectStore;

public sealed class ObjectStoreTests : IAsyncLifetime
{
    private const string BucketName = "fluid-demo";
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(60));
    private Store _store = null!;
    private AmazonS3Client _s3 = null!;

    public async ValueTask InitializeAsync()
    {
        _store = await Store.StartAsync(new() { Bucket = BucketName }, _deadline.Token);
        _s3 = Client(_store.AccessKeySecret, RequestChecksumCalculation.WHEN_REQUIRED);
    }

    public async ValueTask DisposeAsync()
    {
        _s3.Dispose();
        await _store.DisposeAsync();
        _deadline.Dispose();
    }

    [Theory]
    [InlineData("models/bloom/config.json", false)]
    [InlineData("models/bloom/config.json", true)]
    [InlineData("模型 a+b%.json", false)]
    public async Task Put_ThenGet_SameBytesAndCounted(string key, bool chunked)
    {
        await Put(key, "hello", chunked);
        using var got = await _s3.GetObjectAsync(BucketName, key, _deadline.Token);
        using var reader = new StreamReader(got.ResponseStream);
        Assert.Equal("hello", await reader.ReadToEndAsync(_deadline.Token));
        Assert.Equal(key, (await _s3.ListObjectsV2Async(new() { BucketName = BucketName }, _deadline.Token)).S3Objects.Single().Key);
        Assert.Equal(5, _store.BytesRead);
        Assert.Equal(0, _store.BytesReadUnder(BucketName, "other/"));
    }

    [Fact]
    public async Task Get_Range_SendsOnlyThat()
    {
        await Put("k", "0123456789", false);
        using var got = await _s3.GetObjectAsync(new() { BucketName = BucketName, Key = "k", ByteRange = new ByteRange(2, 4) }, _deadline.Token);
        using var reader = new StreamReader(got.ResponseStream);
        Assert.Equal("234", await reader.ReadToEndAsync(_deadline.Token));
        Assert.Equal(HttpStatusCode.PartialContent, got.HttpStatusCode);
    }

    [Fact]
    public async Task List_2500Keys_PagesThroughAll()
    {
        for (var i = 0; i < 2500; i++)
        {
            await Put($"p/{i:D4}", "x", false);
        }

        var keys = new List<string>();
        string? token = null;
        do
        {
            var page = await _s3.ListObjectsV2Async(new() { BucketName = BucketName, Prefix = "p/", ContinuationToken = token }, _deadline.Token);
            keys.AddRange(page.S3Objects.Select(o => o.Key));
            token = page.NextContinuationToken;
        }
        while (token is not null);
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => $"p/{i:D4}"), keys);
    }

    [Fact]
    public async Task Multipart_Completed_EtagCountsPartsAndNothingStaysOpen()
    {
        var upload = await _s3.InitiateMultipartUploadAsync(BucketName, "big", _deadline.Token);
        Assert.Single((await _s3.ListMultipartUploadsAsync(BucketName, _deadline.Token)).MultipartUploads);
        var parts = new List<PartETag>();
        for (var i = 1; i <= 3; i++)
        {
            using var stream = new MemoryStream(Encoding.UTF8.GetBytes($"part{i}"));
            var part = await _s3.UploadPartAsync(new() { BucketName = BucketName, Key = "big", UploadId = upload.UploadId, PartNumber = i, InputStream = stream, UseChunkEncoding = false }, _deadline.Token);
            parts.Add(new(i, part.ETag));
        }

        var done = await _s3.CompleteMultipartUploadAsync(new() { BucketName = BucketName, Key = "big", UploadId = upload.UploadId, PartETags = parts }, _deadline.Token);
        Assert.EndsWith("-3", done.ETag.Trim('"'));
        Assert.Equal(15, (await _s3.GetObjectMetadataAsync(BucketName, "big", _deadline.Token)).ContentLength);
        Assert.Empty((await _s3.ListMultipartUploadsAsync(BucketName, _deadline.Token)).MultipartUploads ?? []);
    }

    [Fact]
    public async Task Request_WrongSecret_Is403()
    {
        using var other = Client("wrong", RequestChecksumCalculation.WHEN_REQUIRED);
        var error = await Assert.ThrowsAsync<AmazonS3Exception>(() => other.ListObjectsV2Async(new() { BucketName = BucketName }, _deadline.Token));
        Assert.Equal((HttpStatusCode.Forbidden, "SignatureDoesNotMatch"), (error.StatusCode, error.ErrorCode));
    }

    [Fact]
    public async Task Put_TrailerForm_IsRefusedAsOssDoes()
    {
        using var other = Client(_store.AccessKeySecret, RequestChecksumCalculation.WHEN_SUPPORTED);
        var error = await Assert.ThrowsAsync<AmazonS3Exception>(() => other.PutObjectAsync(new() { BucketName = BucketName, Key = "k", ContentBody = "x" }, _deadline.Token));
        Assert.Equal((HttpStatusCode.BadRequest, "InvalidArgument"), (error.StatusCode, error.ErrorCode));
    }

    [Fact]
    public async Task Request_UnknownKeyId_Is403()
    {
        using var other = new AmazonS3Client("nobody", "x", Config(RequestChecksumCalculation.WHEN_REQUIRED));
        var error = await Assert.ThrowsAsync<AmazonS3Exception>(() => other.GetObjectAsync(BucketName, "k", _deadline.Token));
        Assert.Equal((HttpStatusCode.Forbidden, "InvalidAccessKeyId"), (error.StatusCode, error.ErrorCode));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Put_Megabytes_ComeBackAsTheyWere(bool chunked)
    {
        var bytes = new byte[3_500_001];
        new Random(1).NextBytes(bytes);
        await _s3.PutObjectAsync(new() { BucketName = BucketName, Key = "big", InputStream = new MemoryStream(bytes), UseChunkEncoding = chunked }, _deadline.Token);
        Assert.Equal(bytes, await ReadAsync("big"));
        Assert.Equal(bytes.AsSpan(1_048_570, 20).ToArray(), await ReadAsync("big", new(1_048_570, 1_048_589)));
        Assert.Equal(bytes.Length + 20, _store.BytesRead);
    }

    [Fact]
    public async Task Copy_OfAMultipartObject_KeepsMetadataAndHasAWholesETag()
    {
        var upload = await _s3.InitiateMultipartUploadAsync(new() { BucketName = BucketName, Key = "from", ContentType = "text/x", Metadata = { ["a"] = "b" } }, _deadline.Token);
        var parts = new List<PartETag> { new(1, (await PartAsync("from", upload.UploadId, 1, "hello ")).ETag), new(2, (await PartAsync("from", upload.UploadId, 2, "world")).ETag) };
        await _s3.CompleteMultipartUploadAsync(new() { BucketName = BucketName, Key = "from", UploadId = upload.UploadId, PartETags = parts }, _deadline.Token);
        var copy = await _s3.CopyObjectAsync(BucketName, "from", BucketName, "to", _deadline.Token);
        Assert.Equal("\"5eb63bbbe01eeed093cb22bb8f5acdc3\"", copy.ETag);
        var head = await _s3.GetObjectMetadataAsync(BucketName, "to", _deadline.Token);
        Assert.Equal(("b", "text/x", 11L), (head.Metadata["a"], head.Headers.ContentType, head.ContentLength));
        Assert.Equal("hello world"u8.ToArray(), await ReadAsync("to"));
        var error = await Assert.ThrowsAsync<AmazonS3Exception>(() => _s3.CopyObjectAsync(BucketName, "missing", BucketName, "to", _deadline.Token));
        Assert.Equal("NoSuchKey", error.ErrorCode);
    }

    [Fact]
    public async Task PartCopy_OfARange_IsThatRange()
    {
        await Put("from", "0123456789", false);
        var upload = await _s3.InitiateMultipartUploadAsync(BucketName, "to", _deadline.Token);
        var one = await _s3.CopyPartAsync(new() { SourceBucket = BucketName, SourceKey = "from", DestinationBucket = BucketName, DestinationKey = "to", UploadId = upload.UploadId, PartNumber = 1, FirstByte = 2, LastByte = 4 }, _deadline.Token);
        var two = await _s3.CopyPartAsync(new() { SourceBucket = BucketName, SourceKey = "from", DestinationBucket = BucketName, DestinationKey = "to", UploadId = upload.UploadId, PartNumber = 2 }, _deadline.Token);
        Assert.Equal([3, 10], (await _s3.ListPartsAsync(BucketName, "to", upload.UploadId, _deadline.Token)).Parts.Select(p => (int)p.Size!));
        await _s3.CompleteMultipartUploadAsync(new() { BucketName = BucketName, Key = "to", UploadId = upload.UploadId, PartETags = [new(1, one.ETag), new(2, two.ETag)] }, _deadline.Token);
        Assert.Equal("2340123456789"u8.ToArray(), await ReadAsync("to"));
    }

    [Fact]
    public async Task Uploads_Open_AreListedInPages_AbortTakesOneAway()
    {
        var ids = new Dictionary<string, string>();
        foreach (var key in (string[])["b", "a", "c", "other"])
        {
            ids[key] = (await _s3.InitiateMultipartUploadAsync(BucketName, key == "other" ? "other" : "p/" + key, _deadline.Token)).UploadId;
        }

        var seen = new List<string>();
        ListMultipartUploadsResponse page;
        var request = new ListMultipartUploadsRequest { BucketName = BucketName, Prefix = "p/", MaxUploads = 2 };
        do
        {
            page = await _s3.ListMultipartUploadsAsync(request, _deadline.Token);
            seen.AddRange(page.MultipartUploads.Select(u => u.Key));
            (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
        while (page.IsTruncated == true);
        Assert.Equal(["p/a", "p/b", "p/c"], seen);
        await _s3.AbortMultipartUploadAsync(BucketName, "p/b", ids["b"], _deadline.Token);
        Assert.Equal(["p/a", "p/c"], (await _s3.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = BucketName, Prefix = "p/" }, _deadline.Token)).MultipartUploads.Select(u => u.Key));
        var error = await Assert.ThrowsAsync<AmazonS3Exception>(() => _s3.ListPartsAsync(BucketName, "p/b", ids["b"], _deadline.Token));
        Assert.Equal("NoSuchUpload", error.ErrorCode);
    }

    [Fact]
    public async Task Complete_PartsOutOfOrderOrUnknown_IsRefused()
    {
        var upload = await _s3.InitiateMultipartUploadAsync(BucketName, "k", _deadline.Token);
        var part = await PartAsync("k", upload.UploadId, 1, "x");
        var unknown = await Assert.ThrowsAsync<AmazonS3Exception>(() => _s3.CompleteMultipartUploadAsync(new() { BucketName = BucketName, Key = "k", UploadId = upload.UploadId, PartETags = [new(1, part.ETag), new(2, part.ETag)] }, _deadline.Token));
        Assert.Equal("InvalidPart", unknown.ErrorCode);
        await _s3.CompleteMultipartUploadAsync(new() { BucketName = BucketName, Key = "k", UploadId = upload.UploadId, PartETags = [new(1, part.ETag)] }, _deadline.Token);
    }

    [Fact]
    public async Task Delete_One_IsGone_TwiceIsNoError()
    {
        await Put("k", "x", false);
        await _s3.DeleteObjectAsync(BucketName, "k", _deadline.Token);
        await _s3.DeleteObjectAsync(BucketName, "k", _deadline.Token);
        var error = await Assert.ThrowsAnyAsync<AmazonS3Exception>(() => _s3.GetObjectAsync(BucketName, "k", _deadline.Token));
        Assert.Equal((HttpStatusCode.NotFound, "NoSuchKey"), (error.StatusCode, error.ErrorCode));
    }

    [Fact]
    public async Task DeleteMany_WantsContentMd5AsOssDoes()
    {
        await Put("a", "x", false);
        await Put("b", "x", false);
        var request = new DeleteObjectsRequest { BucketName = BucketName, Objects = [new() { Key = "a" }, new() { Key = "b" }] };
        var error = await Assert.ThrowsAsync<AmazonS3Exception>(() => _s3.DeleteObjectsAsync(request, _deadline.Token));
        Assert.Equal((HttpStatusCode.BadRequest, "MissingArgument"), (error.StatusCode, error.ErrorCode));

        using var http = new HttpClient();
        const string Body = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>";
        using var signed = Signed(HttpMethod.Post, "?delete=", Body);
        using var answer = await http.SendAsync(signed, _deadline.Token);
        Assert.Contains("<Deleted><Key>b</Key></Deleted>", await answer.Content.ReadAsStringAsync(_deadline.Token), StringComparison.Ordinal);
        Assert.Empty((await _s3.ListObjectsV2Async(new() { BucketName = BucketName }, _deadline.Token)).S3Objects ?? []);
    }

    // AWS Signature Version 4 by hand: the SDK cannot be made to send Content-MD5 any more.
    private HttpRequestMessage Signed(HttpMethod method, string query, string body)
    {
        static byte[] Hmac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));
        static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        var stamp = TimeProvider.System.GetUtcNow().ToString("yyyyMMdd'T'HHmmss'Z'");
        var scope = $"{stamp[..8]}/cn-hangzhou/s3/aws4_request";
        var canonical = $"{method}\n/{BucketName}\n{query.TrimStart('?')}\nhost:{_store.Endpoint.Authority}\nx-amz-content-sha256:{Hash(body)}\nx-amz-date:{stamp}\n\nhost;x-amz-content-sha256;x-amz-date\n{Hash(body)}";
        var key = scope.Split('/').Aggregate(Encoding.UTF8.GetBytes("AWS4" + _store.AccessKeySecret), Hmac);
        var signature = Convert.ToHexStringLower(Hmac(key, $"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{Hash(canonical)}"));
        var request = new HttpRequestMessage(method, new Uri(_store.Endpoint, $"/{BucketName}{query}")) { Content = new StringContent(body) };
#pragma warning disable CA5351 // Content-MD5 is one.
        request.Content.Headers.ContentMD5 = MD5.HashData(Encoding.UTF8.GetBytes(body));
#pragma warning restore CA5351
        request.Headers.TryAddWithoutValidation("x-amz-date", stamp);
        request.Headers.TryAddWithoutValidation("x-amz-content-sha256", Hash(body));
        request.Headers.TryAddWithoutValidation("Authorization", $"AWS4-HMAC-SHA256 Credential={_store.AccessKeyId}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}");
        return request;
    }

    [Fact]
    public async Task List_KeysInUtf8Order_AcrossPages()
    {
        string[] keys = ["k/\uFF5E", "k/\U0001F600", "k/\uE000", "k/z", "k/模", "k/é"];
        foreach (var key in keys)
        {
            await Put(key, "x", false);
        }

        var listed = new List<string>();
        string? token = null;
        do
        {
            var page = await _s3.ListObjectsV2Async(new() { BucketName = BucketName, Prefix = "k/", MaxKeys = 2, ContinuationToken = token }, _deadline.Token);
            listed.AddRange(page.S3Objects.Select(o => o.Key));
            token = page.NextContinuationToken;
        }
        while (token is not null);
        Assert.Equal(keys.OrderBy(k => Convert.ToHexString(Encoding.UTF8.GetBytes(k)), StringComparer.Ordinal), listed);
    }

    [Fact]
    public async Task Throttle_SharedByAllReaders()
    {
        var bytes = new byte[300_000];
        await _s3.PutObjectAsync(new() { BucketName = BucketName, Key = "k", InputStream = new MemoryStream(bytes), UseChunkEncoding = false }, _deadline.Token);
        _store.BytesPerSecond = 1_000_000;
        var started = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ReadAsync("k")));
        var took = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        // Three readers of 0.3 MB at 1 MB/s together: 0.9 s, less the link's credit of 50 ms.
        Assert.True(took > 0.8, $"{took}");
        Assert.Equal(900_000, _store.BytesRead);
    }

    // Measures; of no use while other tests allocate beside it.
    [Fact(Explicit = true)]
    public async Task Multipart_OfAQuarterOfAGigabyte_TakesLittleMemory()
    {
        const int Parts = 32, Size = 8 << 20;
        var bytes = new byte[Size];
        var upload = await _s3.InitiateMultipartUploadAsync(BucketName, "big", _deadline.Token);
        var before = GC.GetTotalMemory(true);
        var parts = new List<PartETag>();
        for (var i = 1; i <= Parts; i++)
        {
            parts.Add(new(i, (await _s3.UploadPartAsync(new() { BucketName = BucketName, Key = "big", UploadId = upload.UploadId, PartNumber = i, InputStream = new MemoryStream(bytes), UseChunkEncoding = false }, _deadline.Token)).ETag));
        }

        await _s3.CompleteMultipartUploadAsync(new() { BucketName = BucketName, Key = "big", UploadId = upload.UploadId, PartETags = parts }, _deadline.Token);
        var grown = (GC.GetTotalMemory(true) - before) / 1048576.0;
        TestContext.Current.TestOutputHelper!.WriteLine($"{grown:F1} MiB for an object of {Parts * (Size >> 20)} MiB");
        Assert.True(grown < 16, $"{grown}");
        Assert.Equal((long)Parts * Size, (await _s3.GetObjectMetadataAsync(BucketName, "big", _deadline.Token)).ContentLength);
    }

    private Task<UploadPartResponse> PartAsync(string key, string upload, int number, string text) => _s3.UploadPartAsync(new()
    {
        BucketName = BucketName,
        Key = key,
        UploadId = upload,
        PartNumber = number,
        InputStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
        UseChunkEncoding = false,
    }, _deadline.Token);

    private async Task<byte[]> ReadAsync(string key, ByteRange? range = null)
    {
        using var got = await _s3.GetObjectAsync(new() { BucketName = BucketName, Key = key, ByteRange = range }, _deadline.Token);
        using var memory = new MemoryStream();
        await got.ResponseStream.CopyToAsync(memory, _deadline.Token);
        return memory.ToArray();
    }

    private Task Put(string key, string text, bool chunked) =>
        _s3.PutObjectAsync(new() { BucketName = BucketName, Key = key, ContentBody = text, UseChunkEncoding = chunked }, _deadline.Token);

    private AmazonS3Client Client(string secret, RequestChecksumCalculation checksums) => new(_store.AccessKeyId, secret, Config(checksums));

    private AmazonS3Config Config(RequestChecksumCalculation checksums) => new()
    {
        ServiceURL = _store.Endpoint.ToString(),
        AuthenticationRegion = "cn-hangzhou",
        ForcePathStyle = true,
        RequestChecksumCalculation = checksums,
        ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        MaxErrorRetry = 0,
    };
}
