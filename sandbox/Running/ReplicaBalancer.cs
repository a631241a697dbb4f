using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Sandbox.Running;

/// <summary>
/// One address for several replicas, as a Knative route has one for a revision's pods: request by request in turn. A replica that does not take
/// the connection is passed over, as one that is not ready gets no traffic.
/// </summary>
internal sealed class ReplicaBalancer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly IReadOnlyList<Uri> _replicas;
    private readonly IHttpForwarder _forwarder;
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None });
    private uint _turn;

    private ReplicaBalancer(WebApplication app, IReadOnlyList<Uri> replicas) =>
        (_app, _replicas, _forwarder) = (app, replicas, app.Services.GetRequiredService<IHttpForwarder>());

    public Uri Address => new(_app.Urls.First());

    public static async Task<ReplicaBalancer> StartAsync(IReadOnlyList<Uri> replicas, CancellationToken cancellationToken)
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
        var balancer = new ReplicaBalancer(app, replicas);
        app.Run(balancer.HandleAsync);
        await app.StartAsync(cancellationToken);
        return balancer;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _client.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var first = Interlocked.Increment(ref _turn);
        for (var i = 0u; i < _replicas.Count; i++)
        {
            context.Response.StatusCode = StatusCodes.Status200OK;
            await _forwarder.SendAsync(context, _replicas[(int)((first + i) % _replicas.Count)].ToString(), _client);
            if (context.Response.HasStarted || context.GetForwarderErrorFeature()?.Exception is not HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError })
            {
                return;
            }
        }
    }
}
