using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

/// <summary>The relay as it is deployed, with its host and both its ports, a catalog that is full, and a gateway that tells what has reached it.</summary>
public sealed class OddWorld : IAsyncLifetime
{
    private WebApplication _gateway = null!;
    private IHost _relay = null!;

    public Uri Http1 { get; private set; } = null!;
    public Uri H2c { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _gateway = builder.Build();
        // Each header that came, and the length of the body.
        _gateway.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            var head = string.Join(' ', context.Request.Headers.Select(h => $"{h.Key}={h.Value}"));
            await context.Response.WriteAsync($"REACHED <{context.Request.Host}> {context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget} {body.Length} {head}");
        });
        await _gateway.StartAsync();

        CachedModel[] models =
        [
            Model("default", "bloom"), Model("default", "opt"), Model("team-a", "shared"), Model("team-b", "shared"), Model("default", "slashed", "org/model"),
            Model("evil", "taker", "default/opt"), RelayRouterTests.Model("default", "waiting", null, null),
            .. Enumerable.Range(0, 2000).Select(i => Model($"ns-{i % 50}", $"filler-{i}")),
        ];
        var relay = FunctionsApplication.CreateBuilder(["--PORT=0", "--Host:Address=127.0.0.1", "--Host:H2cPort=0", $"--Gateway:Address={_gateway.Urls.First()}"]);
        relay.ConfigureFunctionsWebApplication();
        relay.Logging.ClearProviders();
        relay.Services.AddSingleton<ICatalog>(new CatalogFake(models)).AddRelay(relay.Configuration);
        _relay = relay.Build();
        await _relay.StartAsync();
        var addresses = _relay.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.ToArray();
        (Http1, H2c) = (new(addresses[0]), new(addresses[1]));
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1), TimeProvider.System);
        await _relay.StopAsync(now.Token);
        _relay.Dispose();
        await _gateway.StopAsync(now.Token);
        await _gateway.DisposeAsync();
    }

    private static CachedModel Model(string ns, string name, string? served = null) => RelayRouterTests.Model(ns, name, url: $"http://{name}.{ns}.example.com", modelName: served);
}
