using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;
using Store = Prewarm.Sandbox.ObjectStore.ObjectStore;

namespace Prewarm.Tests.Unit.ObjectStore;

/// <summary>Events as EventBridge's HTTP target posts them.</summary>
public sealed class StoreEventsTests : IAsyncLifetime
{
    // facts/events.md §3: the members of a real event.
    private static readonly string[] s_members =
    [
        "aliyunaccountid", "aliyuneventbusname", "aliyunoriginalaccountid", "aliyunpublishtime", "aliyunregionid", "data", "datacontenttype", "id", "source", "specversion", "subject", "time", "type",
    ];

    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(60));
    private readonly ConcurrentQueue<(JsonObject Event, string? ContentType, string? Token, string? Trace)> _received = new();
    private WebApplication _sink = null!;
    private Store _store = null!;
    private AmazonS3Client _s3 = null!;
    private int _refusals, _losses;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _sink = builder.Build();
        _sink.Run(async context =>
        {
            if (Interlocked.Decrement(ref _refusals) >= 0)
            {
                context.Response.StatusCode = 503;
                return;
            }

            var body = await JsonNode.ParseAsync(context.Request.Body, cancellationToken: _deadline.Token);
            _received.Enqueue((body!.AsObject(), context.Request.ContentType, context.Request.Headers["x-eventbridge-signature-token"], context.Request.Headers["traceparent"]));
            context.Response.StatusCode = 204;
        });
        await _sink.StartAsync(_deadline.Token);
        _store = await Store.StartAsync(new() { Bucket = "fluid-demo", EventSink = new(_sink.Urls.First()), EventToken = "secret", LosesEvent = () => Interlocked.Decrement(ref _losses) >= 0 }, _deadline.Token);
        _s3 = new(_store.AccessKeyId, _store.AccessKeySecret, new AmazonS3Config
        {
            ServiceURL = _store.Endpoint.ToString(),
            AuthenticationRegion = "cn-hangzhou",
            ForcePathStyle = true,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        });
    }

    public async ValueTask DisposeAsync()
    {
        _s3.Dispose();
        await _store.DisposeAsync();
        await _sink.DisposeAsync();
        _deadline.Dispose();
    }

    [Fact]
    public async Task Put_IsTold_WithEveryMemberARealEventHas()
    {
        const string Key = "models/bloom/模型 a+b%20.json";
        await PutAsync(Key, "12345");
        await PutAsync(Key, "12");
        var events = await ReceivedAsync(2);
        Assert.Equal(s_members, events[0].Event.Select(m => m.Key).Order(StringComparer.Ordinal));
        var told = events.Select(e => e.Event).Single(e => (int)e["data"]!["oss"]!["object"]!["size"]! == 2);
        Assert.Equal(("oss:ObjectCreated:PutObject", "acs.oss", $"acs:oss:cn-hangzhou:{told["aliyunaccountid"]}:fluid-demo/{Key}"), ((string?)told["type"], (string?)told["source"], (string?)told["subject"]));
        var data = told["data"]!;
        Assert.Equal(("ObjectCreated:PutObject", "fluid-demo", Key, -3, "C20AD4D76FE97759AA27A0C99BFF6710"),
            ((string?)data["eventName"], (string?)data["oss"]!["bucket"]!["name"], (string?)data["oss"]!["object"]!["key"], (int)data["oss"]!["object"]!["deltaSize"]!, (string?)data["oss"]!["object"]!["eTag"]));
        Assert.Equal("secret", events[0].Token);
        Assert.StartsWith("application/json", events[0].ContentType, StringComparison.Ordinal);
        Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", events[0].Trace);
        Assert.NotEqual((string?)events[0].Event["id"], (string?)events[1].Event["id"]);
    }

    [Fact]
    public async Task Multipart_TellsEachRequest_DeletionToo()
    {
        var upload = await _s3.InitiateMultipartUploadAsync("fluid-demo", "big", _deadline.Token);
        var part = await _s3.UploadPartAsync(new() { BucketName = "fluid-demo", Key = "big", UploadId = upload.UploadId, PartNumber = 1, InputStream = new MemoryStream([1, 2]), UseChunkEncoding = false }, _deadline.Token);
        await _s3.CompleteMultipartUploadAsync(new() { BucketName = "fluid-demo", Key = "big", UploadId = upload.UploadId, PartETags = [new(1, part.ETag)] }, _deadline.Token);
        await _s3.CopyObjectAsync("fluid-demo", "big", "fluid-demo", "copy", _deadline.Token);
        await _s3.DeleteObjectAsync("fluid-demo", "big", _deadline.Token);
        var events = await ReceivedAsync(5);
        Assert.Equal(
        [
            "oss:ObjectCreated:CompleteMultipartUpload", "oss:ObjectCreated:CopyObject", "oss:ObjectCreated:InitiateMultipartUpload", "oss:ObjectCreated:UploadPart", "oss:ObjectRemoved:DeleteObject",
        ], events.Select(e => (string)e.Event["type"]!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Sink_Refusing_IsAskedAgainUntilItTakes()
    {
        _refusals = 4;
        await PutAsync("k", "x");
        var told = Assert.Single(await ReceivedAsync(1));
        Assert.Equal("k", (string?)told.Event["data"]!["oss"]!["object"]!["key"]);
        Assert.True(Volatile.Read(ref _refusals) < 0);
    }

    [Fact]
    public async Task Event_ThatIsLost_IsNeverSent()
    {
        _losses = 1;
        await PutAsync("lost", "x");
        await PutAsync("told", "x");
        Assert.Equal("told", (string?)Assert.Single(await ReceivedAsync(1)).Event["data"]!["oss"]!["object"]!["key"]);
    }

    private Task PutAsync(string key, string text) => _s3.PutObjectAsync(new() { BucketName = "fluid-demo", Key = key, ContentBody = text, UseChunkEncoding = false }, _deadline.Token);

    private async Task<List<(JsonObject Event, string? ContentType, string? Token, string? Trace)>> ReceivedAsync(int count)
    {
        while (_received.Count < count)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, _deadline.Token);
        }

        Assert.Equal(count, _received.Count);
        return [.. _received];
    }
}
