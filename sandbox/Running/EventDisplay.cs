using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Prewarm.Sandbox.Knative;

namespace Prewarm.Sandbox.Running;

/// <summary>Writes every event it is sent to its log, as Knative's event_display does (knative/eventing cmd/event_display).</summary>
internal sealed class EventDisplay : IRunningContainer
{
    // Pods of one Service write the same log.
    private static readonly SemaphoreSlim s_one = new(1);
    private readonly WebApplication _app;

    private EventDisplay(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    public Task Ended { get; } = new TaskCompletionSource().Task;

    /// <param name="shown">Called for each event.</param>
    public static async Task<EventDisplay> StartAsync(string log, Action shown, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting(WebHostDefaults.ServerUrlsKey, null).ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        app.Run(async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            var headers = string.Join(", ", context.Request.Headers.Where(h => h.Key.StartsWith("ce-", StringComparison.OrdinalIgnoreCase)).Select(h => $"{h.Key}: {h.Value}"));
            await AppendAsync(log, $"{headers}\n{await body.ReadToEndAsync(context.RequestAborted)}\n");
            shown();
        });
        await app.StartAsync(cancellationToken);
        return new(app);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static async Task AppendAsync(string log, string text)
    {
        await s_one.WaitAsync();
        try
        {
            await File.AppendAllTextAsync(log, text);
        }
        finally
        {
            s_one.Release();
        }
    }
}
