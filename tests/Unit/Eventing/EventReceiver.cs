using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Prewarm.Tests.Unit.Eventing;

/// <summary>One request as it came.</summary>
internal sealed record Received(string Path, string Query, IReadOnlyDictionary<string, string> Headers, string? ContentType, string Body)
{
    public string? this[string attribute] => Headers.GetValueOrDefault("ce-" + attribute);

    public JsonNode Json => JsonNode.Parse(Body)!;
}

/// <summary>A subscriber on loopback: keeps what it gets, answers as told.</summary>
internal sealed class EventReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private bool _closed;

    private EventReceiver(WebApplication app) => _app = app;

    public ConcurrentQueue<Received> All { get; } = new();

    /// <summary>Answers a request, given how many came before it; 202 with nothing else.</summary>
    public Func<Received, int, HttpResponse, Task> Answer { get; set; } = (_, _, response) =>
    {
        response.StatusCode = 202;
        return Task.CompletedTask;
    };

    public Uri Address => new(_app.Urls.First());

    public static async Task<EventReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var receiver = new EventReceiver(app);
        app.Run(receiver.HandleAsync);
        await app.StartAsync();
        return receiver;
    }

    public Uri At(string path) => new(Address, path);

    public IEnumerable<Received> Of(string path) => All.Where(r => r.Path == path);

    public async ValueTask DisposeAsync()
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var request = context.Request;
        var received = new Received(
            request.Path, request.QueryString.ToString(), request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            request.ContentType, await reader.ReadToEndAsync());
        var before = All.Count;
        All.Enqueue(received);
        await Answer(received, before, context.Response);
    }
}
