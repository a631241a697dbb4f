using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>Posts OSS events as Alibaba EventBridge does: structured CloudEvents as plain <c>application/json</c>, at least once, in no sure order.</summary>
internal sealed class EventPoster : IAsyncDisposable
{
    private const int Posters = 4;
    private const int Tries = 30;
    private const string Account = "1234567890123456";
    private readonly Channel<(JsonObject Event, string Trace)> _queue = Channel.CreateUnbounded<(JsonObject, string)>();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(15) };
    private readonly CancellationTokenSource _stop = new();
    private readonly ObjectStoreOptions _options;
    private readonly Task _loops;

    public EventPoster(ObjectStoreOptions options)
    {
        (_options, Sink, Token) = (options, options.EventSink, options.EventToken);
        _loops = Task.WhenAll(Enumerable.Range(0, Posters).Select(_ => Task.Run(Loop)));
    }

    public Uri? Sink { get; set; }

    public string? Token { get; set; }

    /// <param name="name">The operation, such as <c>PutObject</c>.</param>
    /// <param name="deltaSize">Growth in bytes, negative for shrinking; as large as the object unless given.</param>
    public void Post(string name, string bucket, string key, long size, string etag, string contentType, string? traceparent, long? deltaSize = null)
    {
        if (Sink is null || _options.LosesEvent())
        {
            return;
        }

        var family = name.StartsWith("Delete", StringComparison.Ordinal) || name.StartsWith("Abort", StringComparison.Ordinal) ? "ObjectRemoved" : "ObjectCreated";
        var id = Guid.NewGuid().ToString("N")[..24].ToUpperInvariant();
        var time = _options.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'.000Z'");
        _queue.Writer.TryWrite((new JsonObject
        {
            ["specversion"] = "1.0",
            ["id"] = id,
            ["source"] = "acs.oss",
            ["type"] = $"oss:{family}:{name}",
            ["subject"] = $"acs:oss:{_options.Region}:{Account}:{bucket}/{key}",
            ["time"] = time,
            ["datacontenttype"] = "application/json;charset=utf-8",
            ["aliyunaccountid"] = Account,
            ["aliyunoriginalaccountid"] = Account,
            ["aliyunregionid"] = _options.Region,
            ["aliyunpublishtime"] = _options.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'"),
            ["aliyuneventbusname"] = "default",
            ["data"] = new JsonObject
            {
                ["eventVersion"] = "1.0",
                ["eventSource"] = "acs:oss",
                ["eventName"] = $"{family}:{name}",
                ["eventTime"] = time,
                ["region"] = _options.Region,
                ["userIdentity"] = new JsonObject { ["principalId"] = Account },
                ["requestParameters"] = new JsonObject { ["sourceIPAddress"] = "127.0.0.1" },
                ["responseElements"] = new JsonObject { ["requestId"] = id },
                ["oss"] = new JsonObject
                {
                    ["ossSchemaVersion"] = "1.0",
                    ["bucket"] = new JsonObject { ["name"] = bucket, ["arn"] = $"acs:oss:{_options.Region}:{Account}:{bucket}", ["virtualBucket"] = "", ["ownerIdentity"] = Account },
                    ["object"] = new JsonObject
                    {
                        ["key"] = key,
                        ["size"] = size,
                        ["deltaSize"] = deltaSize ?? size,
                        ["eTag"] = etag.ToUpperInvariant(),
                        ["objectMeta"] = new JsonObject { ["mimeType"] = contentType },
                    },
                },
            },
        }, string.IsNullOrEmpty(traceparent) ? $"00-{Guid.NewGuid():N}-{Guid.NewGuid().ToString("N")[..16]}-01" : traceparent));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        _stop.Dispose();
        _http.Dispose();
    }

    private async Task Loop()
    {
        try
        {
            await foreach (var (json, trace) in _queue.Reader.ReadAllAsync(_stop.Token))
            {
                for (var attempt = 0; attempt < Tries && !await Send(json, trace); attempt++)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 100 << Math.Min(attempt, 6))), _options.Time, _stop.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The store is going away, and its undelivered events with it.
        }
    }

    private async Task<bool> Send(JsonObject json, string trace)
    {
        if (Sink is not { } sink)
        {
            return true;
        }

        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, sink) { Content = new StringContent(json.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json")) };
            request.Headers.TryAddWithoutValidation("traceparent", trace);
            if (Token is { Length: > 0 } token)
            {
                request.Headers.TryAddWithoutValidation("x-eventbridge-signature-token", token);
            }

            using var response = await _http.SendAsync(request, _stop.Token);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !_stop.IsCancellationRequested)
        {
            return false;
        }
    }
}
