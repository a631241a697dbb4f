using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>Ticks by itself in the one-replica role: a PingSource's finest pace is a minute.</summary>
internal sealed class PrewarmLoop(PrewarmTick tick, PrewarmTurn turn, MemoryStore memories, FleetStore fleet, ICatalog catalog, PrewarmOptions options, TimeProvider time, ILogger<PrewarmLoop> logger) : BackgroundService
{
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        using var limit = new CancellationTokenSource(LastWords, time);
        try
        {
            await memories.SaveAsync(now: true, limit.Token);
            await fleet.SaveAsync(now: true, limit.Token);
            await turn.LeaveAsync(limit.Token);
        }
        catch (Exception e) when (PrewarmTick.Expected(e) || e is OperationCanceledException)
        {
            Log.TickFailed(logger, e.Message);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await catalog.Synced.WaitAsync(stoppingToken);
            while (true)
            {
                try
                {
                    await tick.RunAsync(stoppingToken);
                }
                catch (Exception e) when (PrewarmTick.Expected(e))
                {
                    Log.TickFailed(logger, e.Message);
                }

                await Task.Delay(options.Pace, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends; leases end by themselves, and the next one takes back what has run out.
        }
    }
}
