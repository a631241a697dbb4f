using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>The model behind all proxies: answers at once, or a token every 2 ms.</summary>
internal sealed class Upstream : IAsyncDisposable
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(2);
    private readonly WebApplication _app;

    private Upstream(WebApplication app) => (_app, Address) = (app, new(app.Urls.First()));

    public Uri Address { get; }

    public static async Task<Upstream> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.AddServerHeader = false;
            k.Listen(IPAddress.Loopback, 0);
        });
        var app = builder.Build();
        app.Run(AnswerAsync);
        await app.StartAsync();
        return new(app);
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1), TimeProvider.System);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        await context.Request.Body.CopyToAsync(Stream.Null);
        var response = context.Response;
        if (context.Request.QueryString.Value == "?kind=stream")
        {
            response.ContentType = "text/event-stream";
            for (var i = 0; i < Payloads.Tokens; i++)
            {
                await Task.Delay(Pace, TimeProvider.System);
                await response.Body.WriteAsync(Payloads.Token(TimeProvider.System.GetTimestamp()));
                await response.Body.FlushAsync();
            }

            return;
        }

        var body = context.Request.QueryString.Value == "?kind=64KB" ? Payloads.Large : Payloads.Small;
        response.ContentType = "application/json";
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body);
    }
}
