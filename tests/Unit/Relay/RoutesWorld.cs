using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Yarp.ReverseProxy.Forwarder;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>A gateway that does what the test says, the relay before it, and beside that YARP with nothing around it, for what should be the same with both.</summary>
internal sealed class RoutesWorld : IAsyncDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private readonly List<WebApplication> _apps = [];
    private Uri _relayH2c = null!;
    private Uri _bareH2c = null!;

    /// <summary>Requests that reached the gateway.</summary>
    public int Asked;

    public Uri Relay { get; private set; } = null!;
    public Uri Bare { get; private set; } = null!;
    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = 100 }) { Timeout = Limit };
    public RequestDelegate Answer { get; set; } = TellAsync;

    /// <summary>Host, raw target, length and hash of the body.</summary>
    public static async Task TellAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        await context.Response.WriteAsync($"{context.Request.Host} {context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget} {Digest(body.ToArray())}");
    }

    public static string Digest(byte[] body) => $"{body.Length} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(body))}";

    public static Task<RoutesWorld> StartAsync(params CachedModel[] models) => StartAsync(null, models);

    /// <param name="elsewhere">A gateway of the test's own.</param>
    public static async Task<RoutesWorld> StartAsync(string? elsewhere, params CachedModel[] models)
    {
        var world = new RoutesWorld();
        var gateway = await world.ServeAsync(_ => { }, context =>
        {
            Interlocked.Increment(ref world.Asked);
            return world.Answer(context);
        });
        var address = elsewhere ?? gateway.Urls.First();
        var relay = await world.ServeAsync(
            builder =>
            {
                builder.Configuration["Gateway:Address"] = address;
                builder.Services.AddSingleton<ICatalog>(new CatalogFake(models.Length > 0 ? models : [RelayRouterTests.Model("default", "bloom")])).AddRelay(builder.Configuration);
            },
            async context => await context.RequestServices.GetRequiredService<RelayForwarder>().RunAsync(context));
        (world.Relay, world._relayH2c) = (new(relay.Urls.First()), new(relay.Urls.Last()));
        var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false });
        var bare = await world.ServeAsync(
            builder => builder.Services.AddHttpForwarder(),
            async context => await context.RequestServices.GetRequiredService<IHttpForwarder>().SendAsync(context, address, invoker));
        (world.Bare, world._bareH2c) = (new(bare.Urls.First()), new(bare.Urls.Last()));
        return world;
    }

    public Uri Proxy(string which, bool h2c = false) => (which, h2c) switch
    {
        ("relay", false) => Relay,
        ("relay", true) => _relayH2c,
        (_, false) => Bare,
        _ => _bareH2c,
    };

    public Task<HttpResponseMessage> PostAsync(string path, HttpContent body, Uri? to = null) =>
        Http.SendAsync(new(HttpMethod.Post, new Uri(to ?? Relay, path)) { Content = body }, HttpCompletionOption.ResponseHeadersRead).WaitAsync(Limit);

    /// <summary>Bytes as they are, past every client library; the answer until the connection closes.</summary>
    public static async Task<string> RawAsync(Uri to, string request, bool halfClose = false)
    {
        using var client = await ConnectAsync(to);
        await client.SendAsync(Encoding.Latin1.GetBytes(request));
        if (halfClose)
        {
            client.Shutdown(SocketShutdown.Send);
        }

        var text = new StringBuilder();
        var buffer = new byte[16 << 10];
        try
        {
            int read;
            while ((read = await client.ReceiveAsync(buffer).WaitAsync(Limit)) > 0)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            text.Append("RESET");
        }

        return text.ToString();
    }

    public static async Task<Socket> ConnectAsync(Uri to)
    {
        var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(to.Host, to.Port).WaitAsync(Limit);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        foreach (var app in Enumerable.Reverse(_apps))
        {
            using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1), TimeProvider.System);
            await app.StopAsync(now.Token);
            await app.DisposeAsync();
        }
    }

    private async Task<WebApplication> ServeAsync(Action<WebApplicationBuilder> configure, RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.Limits.MaxRequestBodySize = null;
            k.Listen(System.Net.IPAddress.Loopback, 0);
            k.Listen(System.Net.IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2);
        });
        configure(builder);
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync().WaitAsync(Limit);
        _apps.Add(app);
        return app;
    }
}
