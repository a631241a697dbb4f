using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Prewarm.Sandbox.ObjectStore;

/// <summary>
/// An S3-compatible object store on a free loopback port that checks signatures, counts and throttles what is read, and posts OSS events.
/// Objects live as long as the store does; large ones in temporary files without a name.
/// </summary>
internal sealed class ObjectStore : IObjectStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Bucket, string Key), long> _read = [];
    private readonly ObjectStoreOptions _options;
    private readonly SharedLink _link;
    private readonly EventPoster _events;
    private readonly S3Requests _requests;
    private readonly WebApplication _app;

    private ObjectStore(ObjectStoreOptions options, WebApplication app)
    {
        (_options, _app) = (options, app);
        Listings = new(options.Time);
        _link = new(options.BytesPerSecond, options.Time);
        _events = new(options);
        _requests = new(new(options.AccessKeyId, options.AccessKeySecret), new(_events, options.Time), _link, options.Time, Count, Listings);
        if (!string.IsNullOrEmpty(options.Bucket))
        {
            _requests.AddBucket(options.Bucket);
        }
    }

    public Uri Endpoint => new(_app.Urls.First());

    public string AccessKeyId => _options.AccessKeyId;

    public string AccessKeySecret => _options.AccessKeySecret;

    /// <summary>Where events go; may be set once the functions listen.</summary>
    public Uri? EventSink { get => _events.Sink; set => _events.Sink = value; }

    public string? EventToken { get => _events.Token; set => _events.Token = value; }

    public long BytesPerSecond { get => _link.BytesPerSecond; set => _link.BytesPerSecond = value; }

    /// <summary>When which prefix was listed.</summary>
    public ListingLog Listings { get; }

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
        app.Run(store._requests.HandleAsync);
        await app.StartAsync(ct);
        return store;
    }

    public async ValueTask DisposeAsync()
    {
        await _events.DisposeAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private void Count(string bucket, string key, int bytes)
    {
        lock (_lock)
        {
            _read[(bucket, key)] = _read.GetValueOrDefault((bucket, key)) + bytes;
        }
    }
}
