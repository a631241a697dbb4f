using Microsoft.Extensions.Hosting;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>Asks the Prometheus once a minute, beside the ticks: one that hangs holds nothing up.</summary>
internal sealed class PrometheusLoop(PrometheusSource source, ICatalog catalog, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Pace = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await catalog.Synced.WaitAsync(stoppingToken);
            while (true)
            {
                await source.TickAsync(stoppingToken);
                await Task.Delay(Pace, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends.
        }
    }
}
