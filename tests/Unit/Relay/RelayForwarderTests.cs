using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Relay;
using Xunit;

namespace Prewarm.Tests.Unit.Relay;

public sealed class RelayForwarderTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Forward_ChunkedAnswer_StreamsBeforeItEndsAndAsksOnce()
    {
        var asked = 0;
        var host = "";
        var mayEnd = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var gateway = await StartAsync(_ => { }, async context =>
        {
            Interlocked.Increment(ref asked);
            host = context.Request.Host.Value;
            await context.Response.WriteAsync("first");
            await context.Response.Body.FlushAsync();
            await mayEnd.Task.WaitAsync(Deadline);
            await context.Response.WriteAsync("last");
        });
        await using var relay = await StartRelayAsync(gateway.Urls.First(), new CatalogFake(RelayRouterTests.Model("default", "bloom")));
        using var http = new HttpClient { BaseAddress = new(relay.Urls.First()) };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/models/bloom:predict") { Content = new StringContent("{}") };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).WaitAsync(Deadline);
        await using var stream = await response.Content.ReadAsStreamAsync();
        var first = new byte[5];
        await stream.ReadExactlyAsync(first).AsTask().WaitAsync(Deadline);
        Assert.Equal("first", Encoding.ASCII.GetString(first));
        mayEnd.SetResult();
        using var rest = new StreamReader(stream);
        Assert.Equal("last", await rest.ReadToEndAsync().WaitAsync(Deadline));
        Assert.Equal(1, asked);
        Assert.Equal("bloom.default.example.com", host);
    }

    [Fact]
    public async Task Forward_GatewayAnswers503_PassesItOnWithoutAskingAgain()
    {
        var asked = 0;
        await using var gateway = await StartAsync(_ => { }, context =>
        {
            Interlocked.Increment(ref asked);
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        await using var relay = await StartRelayAsync(gateway.Urls.First(), new CatalogFake(RelayRouterTests.Model("default", "bloom")));
        using var http = new HttpClient { BaseAddress = new(relay.Urls.First()) };
        using var response = await http.PostAsync("/v1/models/bloom:predict", new StringContent("{}")).WaitAsync(Deadline);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task Forward_UnknownModel_Is404WithTheKnown()
    {
        await using var relay = await StartRelayAsync("http://127.0.0.1:9", new CatalogFake(RelayRouterTests.Model("default", "bloom")));
        using var http = new HttpClient { BaseAddress = new(relay.Urls.First()) };
        using var response = await http.PostAsync("/v1/models/opt:predict", new StringContent("{}")).WaitAsync(Deadline);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("\"models\":[\"bloom\"]", await response.Content.ReadAsStringAsync());
    }

    private static Task<WebApplication> StartRelayAsync(string gateway, CatalogFake catalog) => StartAsync(
        builder =>
        {
            builder.Configuration["Gateway:Address"] = gateway;
            builder.Services.AddSingleton<ICatalog>(catalog).AddRelay(builder.Configuration);
        },
        async context => await context.RequestServices.GetRequiredService<RelayForwarder>().RunAsync(context));

    private static async Task<WebApplication> StartAsync(Action<WebApplicationBuilder> configure, RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        configure(builder);
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync().WaitAsync(Deadline);
        return app;
    }
}
