using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Prewarm.Sandbox.Eventing;

/// <summary>The door of all brokers, <c>POST /{namespace}/{broker}</c> on loopback (knative/eventing <c>pkg/broker/ingress/ingress_handler.go</c>).</summary>
internal sealed class BrokerIngress : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly BrokerTable _table;
    private readonly EventingOptions _options;

    private BrokerIngress(WebApplication app, BrokerTable table, EventingOptions options) => (_app, _table, _options) = (app, table, options);

    public Uri Address => new(_app.Urls.First());

    public static async Task<BrokerIngress> StartAsync(BrokerTable table, EventingOptions options, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Limits.MaxRequestBodySize = options.MaxEventBytes;
            k.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        var ingress = new BrokerIngress(app, table, options);
        app.Run(ingress.HandleAsync);
        await app.StartAsync(cancellationToken);
        return ingress;
    }

    /// <summary>Where events for a broker are posted.</summary>
    public Uri Of(string ns, string broker) => new(Address, $"/{ns}/{broker}");

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.Allow = "POST, OPTIONS";
        if (HttpMethods.IsOptions(request.Method))
        {
            response.Headers["WebHook-Allowed-Origin"] = "*";
            response.Headers["WebHook-Allowed-Rate"] = "*";
            return;
        }

        if (!HttpMethods.IsPost(request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }

        var path = (request.Path.Value ?? "").Trim('/');
        if (path.Split('/') is not [{ Length: > 0 } ns, { Length: > 0 } broker])
        {
            response.StatusCode = path.Length == 0 ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest;
            return;
        }

        byte[] body;
        try
        {
            using var copy = new MemoryStream();
            await request.Body.CopyToAsync(copy, context.RequestAborted);
            body = copy.ToArray();
        }
        catch (BadHttpRequestException e)
        {
            response.StatusCode = e.StatusCode;
            return;
        }

        var read = EventCodec.Read(request.Headers.Select(h => KeyValuePair.Create(h.Key, h.Value.ToString())), request.ContentType, body);
        if (read.Message is not { } message)
        {
            _options.Log($"broker {ns}/{broker}: failed to extract event from request: {read.Malformed ?? "no CloudEvent"}");
            response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        response.StatusCode = _table.Accept(ns, broker, message);
    }
}
