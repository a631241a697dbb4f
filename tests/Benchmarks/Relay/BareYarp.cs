using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>YARP's forwarder as its documentation has it (YARP, Direct forwarding), with nothing around it: the measure of what the relay adds.</summary>
internal static class BareYarp
{
    public static async Task RunAsync(string upstream)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Listen(IPAddress.Loopback, 0);
        });
        builder.Services.AddHttpForwarder();
        await using var app = builder.Build();
        using var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            EnableMultipleHttp2Connections = true,
            ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current),
            ConnectTimeout = TimeSpan.FromSeconds(15),
        });
        var config = new ForwarderRequestConfig { ActivityTimeout = TimeSpan.FromSeconds(100) };
        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        app.MapGet("/metrics", (RequestDelegate)(context => context.Response.WriteAsync(
            string.Create(CultureInfo.InvariantCulture, $"dotnet_allocated_bytes_total {GC.GetTotalAllocatedBytes()}\n"))));
        app.Map("/{**rest}", (RequestDelegate)(async context => await forwarder.SendAsync(context, upstream, client, config, HttpTransformer.Default)));
        await app.StartAsync();
        await Console.Out.WriteLineAsync($"Listening on {app.Urls.First()}");
        await Microsoft.Extensions.Hosting.HostingAbstractionsHostExtensions.WaitForShutdownAsync(app);
    }
}
