using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Prewarm.Functions.Events;

/// <summary>Says at start when everybody may post events.</summary>
internal sealed class EventTokenNotice(EventToken token, ILogger<EventTokenNotice> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!token.IsSet)
        {
            Log.TokenUnset(logger);
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
