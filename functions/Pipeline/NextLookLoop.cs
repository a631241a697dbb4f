using Microsoft.Extensions.Hosting;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>Wakes at the time that a model's status names, because then time alone may change the verdict; and looks at models nobody has looked at yet.</summary>
internal sealed class NextLookLoop(ICatalog catalog, IModelLine line, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await catalog.Synced.WaitAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            var change = catalog.NextChange;
            var wait = await TickAsync(stoppingToken);
            await Task.WhenAny(change, Task.Delay(wait, time, stoppingToken));
        }
    }

    /// <summary>Looks at what is due; returns how long nothing else is.</summary>
    internal async Task<TimeSpan> TickAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var models = catalog.Current.Models;
        var due = models.Where(m => m.Status is null || m.Status.ObservedGeneration != m.Metadata.Generation || m.Metadata.DeletionTimestamp is not null || m.Status.NextLook <= now);
        await Task.WhenAll(due.Select(m => line.AdvanceAsync(m.Key(), cancellationToken)));
        var next = models.Select(m => m.Status?.NextLook).Where(n => n > now).Min();
        var wait = next is { } at ? at - now : Longest;
        return wait < Longest ? wait : Longest;
    }
}
