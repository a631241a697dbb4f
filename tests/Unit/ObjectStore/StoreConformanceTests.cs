using System.Net;
using System.Text;
using Amazon.S3;
using Amazon.S3.Model;
using Prewarm.Functions.Upload;
using Xunit;

namespace Prewarm.Tests.Unit.ObjectStore;

/// <summary>What the line asks of an object store, on the sandbox's and on any other (<see cref="StoreWorld"/>). docs/object-store-differences.md lists where they differ.</summary>
public sealed class StoreConformanceTests : IAsyncLifetime
{
    /// <summary>The least a part but the last may have on every store.</summary>
    private const int Part = 5 << 20;

    private readonly StoreWorld _world = new();

    private AmazonS3Client S3 => _world.S3;

    private string Bucket => _world.Bucket;

    private CancellationToken Deadline => _world.Deadline;

    public ValueTask InitializeAsync() => _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    /// <summary>Keys that upload tools, people and other systems write.</summary>
    public static TheoryData<string> OddKeys => new(
        "m/a b.bin", "m/ leading", "m/trailing ", "m/a+b.bin", "m/100%.bin", "m/%41%2f%20.bin", "m/\"quoted\"", "m/it's", "m/<&>.xml", "m/a;b=c,d@e:f$g!", "m/q?x=1&y=2", "m/#frag",
        "m/[0]{1}(2)*~^|`", "m/back\\slash", "m/模型/权重 一.safetensors", "m/e\u0301-decomposed", "m/\u00e9-composed", "m/\U0001F600.bin", "m//double", "m/folder/", "m/..file", "m/a..b",
        "m/tab\there", "m/line\nbreak", "m/bell\u0007", "m/\u007f", "m/\u0085\u2028");

    [Fact]
    public async Task List_2500Objects_EachOnceInUtf8Order_AndTheLineSeesThemAll()
    {
        string[] keys = [.. Enumerable.Range(0, 2490).Select(i => $"m/v1/part-{i:00000}.bin"), .. ((string[])["\uFF5E", "\U0001F600", "\uE000", "模 型", "é", "a+b", "z%", "&", "~", "Z"]).Select(k => $"m/v1/{k}")];
        await _world.PutManyAsync(keys.Append("m0").Append("l"));
        var listed = new List<S3Object>();
        var pages = 0;
        string? token = null;
        do
        {
            var page = await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/", MaxKeys = 1000, ContinuationToken = token, Encoding = EncodingType.Url }, Deadline);
            listed.AddRange(page.S3Objects);
            token = page.IsTruncated == true ? page.NextContinuationToken : null;
            pages++;
        }
        while (token is not null);
        Assert.Equal(3, pages);
        Assert.Equal(keys.OrderBy(k => Convert.ToHexString(Encoding.UTF8.GetBytes(k)), StringComparer.Ordinal), listed.Select(o => Decoded(o.Key)));
        Assert.All(listed, o => Assert.Equal(Encoding.UTF8.GetByteCount(Decoded(o.Key)), o.Size));

        var seen = await _world.ObserveAsync(_world.Source(), _world.Model("m"));
        Assert.Null(seen.Failure);
        Assert.Equal((2500, keys.Sum(k => (long)Encoding.UTF8.GetByteCount(k))), (Assert.Single(seen.Versions).Files, seen.Versions[0].Bytes));
    }

    [Theory]
    [MemberData(nameof(OddKeys))]
    public async Task Key_Odd_PutListedReadCopiedDeletedByThatName(string key)
    {
        await _world.PutAsync(key, key);
        await _world.PutAsync("m/zzz");
        Assert.Equal(key, Encoding.UTF8.GetString(await _world.ReadAsync(key)));
        Assert.Equal(Encoding.UTF8.GetByteCount(key), (await S3.GetObjectMetadataAsync(Bucket, key, Deadline)).ContentLength);
        Assert.Equal(new[] { key, "m/zzz" }.Order(StringComparer.Ordinal), (await ListAsync("m/")).Order(StringComparer.Ordinal));
        Assert.Equal([key], await ListAsync(key));

        // A page that ends with it goes on behind it.
        var first = await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/", MaxKeys = 1, Encoding = EncodingType.Url }, Deadline);
        var second = await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/", MaxKeys = 1, ContinuationToken = first.NextContinuationToken, Encoding = EncodingType.Url }, Deadline);
        Assert.Equal(2, first.S3Objects.Concat(second.S3Objects).Select(o => o.Key).Distinct().Count());

        await S3.CopyObjectAsync(Bucket, key, Bucket, "copy", Deadline);
        Assert.Equal(key, Encoding.UTF8.GetString(await _world.ReadAsync("copy")));
        await S3.CopyObjectAsync(Bucket, "copy", Bucket, key + "2", Deadline);
        Assert.Contains(key + "2", await ListAsync("m/"));
        await S3.DeleteObjectAsync(Bucket, key, Deadline);
        Assert.DoesNotContain(key, await ListAsync("m/"));
    }

    [Theory]
    [MemberData(nameof(OddKeys))]
    public async Task Key_Odd_TheLineJudgesTheOthersToo(string key)
    {
        await _world.PutAsync(key);
        await _world.PutAsync("m/v2/config.json", "{}");
        var seen = await _world.ObserveAsync(_world.Source(), _world.Model("m", "Quiet"));
        Assert.Null(seen.Failure);
        Assert.NotEmpty(seen.Versions);
    }

    [Theory]
    [MemberData(nameof(OddKeys))]
    public async Task Upload_OddKey_OpenIsListedByThatName_AbortedIsNot(string key)
    {
        var upload = await _world.BeginAsync(key, [1]);
        Assert.Equal(key, Assert.Single(await OpenAsync("m/")));
        await S3.AbortMultipartUploadAsync(Bucket, key, upload.Id, Deadline);
        Assert.Empty(await OpenAsync("m/"));
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(900, true)]
    [InlineData(1023, true)]
    [InlineData(1025, false)]
    public async Task Key_VeryLong_TakenUpToTheLimit(int bytes, bool taken)
    {
        var key = "m/" + new string('k', bytes - 2);
        Assert.SkipWhen(_world.Foreign && taken && bytes > 200, "the throw-away Ceph is set up with osd_max_object_name_len = 256");
        if (taken)
        {
            await _world.PutAsync(key);
            Assert.Equal([key], await ListAsync("m/"));
        }
        else
        {
            var error = await StoreWorld.RefusedAsync(() => _world.PutAsync(key));
            Assert.Equal(HttpStatusCode.BadRequest, error.StatusCode);
            Assert.Empty(await ListAsync("m/"));
        }
    }

    [Fact]
    public async Task ETag_OfPut_IsTheMd5_TheSameInAnswerHeadAndList()
    {
        await _world.PutAsync("m/a", "hello");
        Assert.Equal("\"5d41402abc4b2a76b9719d911017c592\"", (await S3.GetObjectMetadataAsync(Bucket, "m/a", Deadline)).ETag);
        Assert.Equal("\"5d41402abc4b2a76b9719d911017c592\"", (await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/" }, Deadline)).S3Objects.Single().ETag);
    }

    [Fact]
    public async Task ETag_OfMultipart_IsNoMd5_AndTheLineReadsTheObjectAllTheSame()
    {
        var index = Encoding.UTF8.GetBytes($$$"""{"metadata":"{{{new string('x', Part)}}}","weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}""");
        await _world.CompleteAsync("m/v1/x.index.json", await _world.BeginAsync("m/v1/x.index.json", index[..Part], index[Part..]));
        var head = await S3.GetObjectMetadataAsync(Bucket, "m/v1/x.index.json", Deadline);
        Assert.EndsWith("-2\"", head.ETag, StringComparison.Ordinal);
        Assert.Equal(head.ETag, (await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/" }, Deadline)).S3Objects.Single().ETag);
        Assert.Equal(index, await _world.ReadAsync("m/v1/x.index.json"));

        await _world.PutAsync("m/v1/s1.safetensors");
        var source = _world.Source();
        var seen = Assert.Single((await _world.ObserveAsync(source, _world.Model("m", "Index"))).Versions);
        Assert.Equal("MissingFiles", seen.Reason);
        Assert.Contains("s2.safetensors", seen.Message, StringComparison.Ordinal);
        Assert.Equal(index, await source.ReadAsync(_world.Model("m"), "m/v1/x.index.json", index.Length, _world.AccessKey, _world.SecretKey, Deadline));
        Assert.Null(await source.ReadAsync(_world.Model("m"), "m/v1/x.index.json", index.Length - 1, _world.AccessKey, _world.SecretKey, Deadline));
    }

    [Fact]
    public async Task Multipart_PartsInAnyOrder_WholeInOrder()
    {
        var parts = Enumerable.Range(1, 3).Select(i => Enumerable.Repeat((byte)i, i < 3 ? Part : 7).ToArray()).ToArray();
        var upload = await _world.BeginAsync("m/big", [], [], []);
        foreach (var number in (int[])[3, 1, 2])
        {
            var part = await S3.UploadPartAsync(new() { BucketName = Bucket, Key = "m/big", UploadId = upload.Id, PartNumber = number, InputStream = new MemoryStream(parts[number - 1]), UseChunkEncoding = false }, Deadline);
            upload.Parts[number - 1] = new(number, part.ETag);
        }

        var listed = await S3.ListPartsAsync(Bucket, "m/big", upload.Id, Deadline);
        Assert.Equal([(1, (long)Part), (2, Part), (3, 7)], listed.Parts.Select(p => (p.PartNumber!.Value, p.Size!.Value)));
        Assert.All(listed.Parts, p => Assert.InRange(p.LastModified!.Value.ToUniversalTime(), DateTime.UnixEpoch.AddYears(50), TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(1)));
        Assert.Empty(await ListAsync("m/"));
        await _world.CompleteAsync("m/big", upload);
        Assert.Equal(parts.SelectMany(p => p), await _world.ReadAsync("m/big"));
        Assert.Empty(await OpenAsync("m/"));
        var gone = await StoreWorld.RefusedAsync(() => S3.ListPartsAsync(Bucket, "m/big", upload.Id, Deadline));
        Assert.Equal((HttpStatusCode.NotFound, _world.Foreign ? "NoSuchKey" : "NoSuchUpload"), Codes(gone));
    }

    [Fact]
    public async Task Multipart_SmallPartBeforeTheLast_IsRefused()
    {
        var upload = await _world.BeginAsync("m/big", [1], [2]);
        Assert.Equal("EntityTooSmall", (await StoreWorld.RefusedAsync(() => _world.CompleteAsync("m/big", upload))).ErrorCode);
        Assert.Empty(await ListAsync("m/"));
    }

    [Fact]
    public async Task Multipart_UnknownPartOrUpload_IsRefused()
    {
        var upload = await _world.BeginAsync("m/big", [1]);
        var unknown = await StoreWorld.RefusedAsync(() => _world.CompleteAsync("m/big", (upload.Id, [new(1, "\"00000000000000000000000000000000\"")])));
        Assert.Equal("InvalidPart", unknown.ErrorCode);
        var nobody = await StoreWorld.RefusedAsync(() => _world.CompleteAsync("m/big", ("nobody", upload.Parts)));
        Assert.Equal(_world.Foreign ? "InternalError" : "NoSuchUpload", nobody.ErrorCode);
        Assert.Equal("NoSuchUpload", (await StoreWorld.RefusedAsync(() => S3.AbortMultipartUploadAsync(Bucket, "m/big", "nobody", Deadline))).ErrorCode);
    }

    [Fact]
    public async Task OpenUploads_OfOnePrefix_AllPages_AndTheLineWaitsForThem()
    {
        var began = TimeProvider.System.GetUtcNow();
        foreach (var key in (string[])["m/v1/b", "m/v1/a", "m/v1/c", "m/v1/a", "other/d"])
        {
            await _world.BeginAsync(key, [1]);
        }

        var seen = new List<MultipartUpload>();
        var request = new ListMultipartUploadsRequest { BucketName = Bucket, Prefix = "m/", MaxUploads = 2 };
        ListMultipartUploadsResponse page;
        do
        {
            page = await S3.ListMultipartUploadsAsync(request, Deadline);
            seen.AddRange(page.MultipartUploads);
            (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
        while (page.IsTruncated == true);
        Assert.Equal(["m/v1/a", "m/v1/a", "m/v1/b", "m/v1/c"], seen.Select(u => u.Key).Order(StringComparer.Ordinal));
        Assert.All(seen, u => Assert.InRange(u.Initiated!.Value.ToUniversalTime(), began.UtcDateTime.AddMinutes(-1), began.UtcDateTime.AddMinutes(1)));

        await _world.PutAsync("m/v1/config.json", "{}");
        var version = Assert.Single((await _world.ObserveAsync(_world.Source(), _world.Model("m", "Quiet"))).Versions);
        Assert.Equal(("MultipartOpen", 1), (version.Reason, version.Files));
    }

    [Theory]
    [InlineData(2L, 4L, "234")]
    [InlineData(0L, 0L, "0")]
    [InlineData(8L, 99L, "89")]
    [InlineData(9L, 9L, "9")]
    public async Task Get_Range_IsThatRange(long first, long last, string expected)
    {
        await _world.PutAsync("m/a", "0123456789");
        Assert.Equal(expected, Encoding.UTF8.GetString(await _world.ReadAsync("m/a", new(first, last))));
    }

    [Theory]
    [InlineData("bytes=0-", "0123456789")]
    [InlineData("bytes=7-", "789")]
    [InlineData("bytes=-3", "789")]
    [InlineData("bytes=-99", "0123456789")]
    public async Task Get_OpenRange_IsThatRange(string range, string expected)
    {
        await _world.PutAsync("m/a", "0123456789");
        Assert.Equal(expected, Encoding.UTF8.GetString(await _world.ReadAsync("m/a", new(range))));
    }

    [Theory]
    [InlineData("0123456789", 10)]
    [InlineData("", 0)]
    public async Task Get_RangeBehindTheEnd_Is416(string text, int first)
    {
        await _world.PutAsync("m/a", text);
        var error = await StoreWorld.RefusedAsync(() => _world.ReadAsync("m/a", new(first, first + 5)));
        Assert.Equal((HttpStatusCode.RequestedRangeNotSatisfiable, "InvalidRange"), (error.StatusCode, error.ErrorCode));
        Assert.Equal(text, Encoding.UTF8.GetString((await _world.Source().ReadAsync(_world.Model("m"), "m/a", 99, _world.AccessKey, _world.SecretKey, Deadline))!));
    }

    [Fact]
    public async Task Copy_KeepsBytesTypeAndMetadata_OfAMultipartObjectToo()
    {
        await S3.PutObjectAsync(new() { BucketName = Bucket, Key = "m/a", ContentBody = "hello", ContentType = "text/x", Metadata = { ["by"] = "me" }, UseChunkEncoding = false }, Deadline);
        var copied = await S3.CopyObjectAsync(Bucket, "m/a", Bucket, "n/b", Deadline);
        Assert.Equal("5d41402abc4b2a76b9719d911017c592", copied.ETag.Trim('"'));
        var head = await S3.GetObjectMetadataAsync(Bucket, "n/b", Deadline);
        Assert.Equal(("me", "text/x", 5L), (head.Metadata["by"], head.Headers.ContentType, head.ContentLength));
        await _world.CompleteAsync("m/big", await _world.BeginAsync("m/big", new byte[Part], [1, 2]));
        await S3.CopyObjectAsync(Bucket, "m/big", Bucket, "n/big", Deadline);
        Assert.Equal(Part + 2, (await _world.ReadAsync("n/big")).Length);
        Assert.Equal("NoSuchKey", (await StoreWorld.RefusedAsync(() => S3.CopyObjectAsync(Bucket, "m/none", Bucket, "n/b", Deadline))).ErrorCode);
        Assert.Equal("NoSuchBucket", (await StoreWorld.RefusedAsync(() => S3.CopyObjectAsync($"{Bucket}-no", "m/a", Bucket, "n/b", Deadline))).ErrorCode);
    }

    [Fact]
    public async Task Put_Again_ReplacesAtOnce_WithAnotherETagAndTime()
    {
        await _world.PutAsync("m/a", "one");
        var before = (await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/" }, Deadline)).S3Objects.Single();
        await _world.PutAsync("m/a", "two");
        var after = (await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = "m/" }, Deadline)).S3Objects.Single();
        Assert.NotEqual(before.ETag, after.ETag);
        Assert.True(after.LastModified >= before.LastModified);
        Assert.Equal("two"u8.ToArray(), await _world.ReadAsync("m/a"));
    }

    [Fact]
    public async Task Delete_TwiceIsNoError_ThenMissing()
    {
        await _world.PutAsync("m/a");
        await S3.DeleteObjectAsync(Bucket, "m/a", Deadline);
        await S3.DeleteObjectAsync(Bucket, "m/a", Deadline);
        var error = await StoreWorld.RefusedAsync(() => _world.ReadAsync("m/a"));
        Assert.Equal((HttpStatusCode.NotFound, "NoSuchKey"), (error.StatusCode, error.ErrorCode));
        Assert.Equal(HttpStatusCode.NotFound, (await StoreWorld.RefusedAsync(() => S3.GetObjectMetadataAsync(Bucket, "m/a", Deadline))).StatusCode);
        Assert.Null(await _world.Source().ReadAsync(_world.Model("m"), "m/a", 99, _world.AccessKey, _world.SecretKey, Deadline));
    }

    [Fact]
    public async Task Bucket_Missing_Is404_AndTheLineSaysWhich()
    {
        var none = $"{Bucket}-none";
        Assert.Equal((HttpStatusCode.NotFound, "NoSuchBucket"), Codes(await StoreWorld.RefusedAsync(() => S3.ListObjectsV2Async(new() { BucketName = none }, Deadline))));
        Assert.Equal((HttpStatusCode.NotFound, "NoSuchBucket"), Codes(await StoreWorld.RefusedAsync(() => S3.GetObjectAsync(none, "k", Deadline))));
        Assert.Equal((HttpStatusCode.NotFound, "NoSuchBucket"), Codes(await StoreWorld.RefusedAsync(() => S3.ListMultipartUploadsAsync(none, Deadline))));
        var model = _world.Model("m");
        model.Spec!.Source.Uri = $"oss://{none}/m";
        var failure = (await _world.ObserveAsync(_world.Source(), model)).Failure!;
        Assert.Equal(("NoSuchBucket", false), (failure.Reason, failure.Transient));
        Assert.Contains($"oss://{none}/m", failure.Message, StringComparison.Ordinal);
        Assert.Contains(_world.Endpoint.Authority, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secret_Wrong_Is403_AndTheLineSaysWhichKeyOfWhichSecret()
    {
        using var other = _world.Client(secretKey: "wrong");
        Assert.Equal((HttpStatusCode.Forbidden, "SignatureDoesNotMatch"), Codes(await StoreWorld.RefusedAsync(() => other.ListObjectsV2Async(new() { BucketName = Bucket }, Deadline))));
        await AssertDeniedAsync(_world.AccessKey, "wrong", "SignatureDoesNotMatch", "fs.oss.accessKeySecret of Secret access-key");
    }

    [Fact]
    public async Task Key_Unknown_Is403_AndTheLineSaysWhichKeyOfWhichSecret()
    {
        using var other = _world.Client(accessKey: "nobody");
        Assert.Equal((HttpStatusCode.Forbidden, "InvalidAccessKeyId"), Codes(await StoreWorld.RefusedAsync(() => other.ListObjectsV2Async(new() { BucketName = Bucket }, Deadline))));
        await AssertDeniedAsync("nobody", "x", "InvalidAccessKeyId", "fs.oss.accessKeyId of Secret access-key");
    }

    [Theory]
    [InlineData("s3:ListBucket", false, "allow listing the objects")]
    [InlineData("s3:ListBucketMultipartUploads", false, "allow listing the open multipart uploads")]
    [InlineData("s3:GetObject", true, "allow reading m/v1/x.index.json")]
    public async Task Right_Missing_Is403_AndTheLineSaysWhich(string right, bool ofObjects, string remedy)
    {
        await _world.PutAsync("m/v1/x.index.json", """{"weight_map":{"a":"s1"}}""");
        await S3.PutBucketPolicyAsync(Bucket,
            $$"""{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"{{right}}","Resource":"arn:aws:s3:::{{Bucket}}{{(ofObjects ? "/*" : "")}}"}]}""", Deadline);
        try
        {
            await AssertDeniedAsync(_world.AccessKey, _world.SecretKey, "AccessDenied", remedy);
        }
        finally
        {
            await S3.DeleteBucketPolicyAsync(new DeleteBucketPolicyRequest { BucketName = Bucket }, Deadline);
        }

        Assert.Null((await _world.ObserveAsync(_world.Source(), _world.Model("m"))).Failure);
    }

    [Fact]
    public async Task Model_MadeAgainWithTheSameName_IsJudgedByItsOwnSpec()
    {
        await _world.PutAsync("m/v1/weights.bin");
        var source = _world.Source();
        var (before, after) = (_world.Model("m", "Quiet"), _world.Model("m", "Marker"));
        (before.Metadata.Uid, after.Metadata.Uid) = ("uid-1", "uid-2");
        Assert.True(Assert.Single((await _world.ObserveAsync(source, before)).Versions).Complete);
        Assert.Equal("MarkerMissing", Assert.Single((await _world.ObserveAsync(source, after)).Versions).Reason);
    }

    private async Task AssertDeniedAsync(string accessKey, string secretKey, string code, string remedy)
    {
        var failure = (await _world.ObserveAsync(_world.Source(), _world.Model("m"), accessKey, secretKey)).Failure!;
        Assert.Equal(("AccessDenied", false), (failure.Reason, failure.Transient));
        Assert.All((string[])[code, remedy, _world.Endpoint.Authority, $"oss://{Bucket}/m", "access-key"], part => Assert.Contains(part, failure.Message, StringComparison.Ordinal));
    }

    private static (HttpStatusCode, string) Codes(AmazonS3Exception e) => (e.StatusCode, e.ErrorCode);

    private async Task<List<string>> ListAsync(string prefix) =>
        [.. ((await S3.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = prefix, Encoding = EncodingType.Url }, Deadline)).S3Objects ?? []).Select(o => Decoded(o.Key))];

    private async Task<List<string>> OpenAsync(string prefix) =>
        [.. ((await S3.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Bucket, Prefix = prefix, Encoding = EncodingType.Url }, Deadline)).MultipartUploads ?? []).Select(u => Decoded(u.Key))];

    private static string Decoded(string key) => PrefixLister.Key(key, EncodingType.Url);
}
