using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Sandbox.Running;

/// <summary>A loopback port that stands for the name of a Service inside the mesh: what arrives goes to the gateway under that name.</summary>
internal sealed class ServiceAddress : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None });

    private ServiceAddress(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    /// <param name="host">The name, such as <c>prewarm-relay.prewarm-system.svc.cluster.local</c>.</param>
    public static async Task<ServiceAddress> StartAsync(Uri gateway, string host, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddHttpForwarder();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Limits.MaxRequestBodySize = null;
            k.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        var service = new ServiceAddress(app);
        var (forwarder, named, target) = (app.Services.GetRequiredService<IHttpForwarder>(), new Named(host), gateway.ToString());
        app.Run(async context => await forwarder.SendAsync(context, target, service._client, ForwarderRequestConfig.Empty, named, context.RequestAborted));
        await app.StartAsync(cancellationToken);
        return service;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _client.Dispose();
    }

    private sealed class Named(string host) : HttpTransformer
    {
        public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
        {
            await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
            proxyRequest.Headers.Host = host;
        }
    }
}
