using System.Net;
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

    private Task Put(string key, string text, bool chunked) =>
        _s3.PutObjectAsync(new() { BucketName = BucketName, Key = key, ContentBody = text, UseChunkEncoding = chunked }, _deadline.Token);

    private AmazonS3Client Client(string secret, RequestChecksumCalculation checksums) => new(_store.AccessKeyId, secret, new AmazonS3Config
    {
        ServiceURL = _store.Endpoint.ToString(),
        AuthenticationRegion = "cn-hangzhou",
        ForcePathStyle = true,
        RequestChecksumCalculation = checksums,
        ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        MaxErrorRetry = 0,
    });
}
