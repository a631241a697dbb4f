using Microsoft.Extensions.Logging.Abstractions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Xunit;

namespace Prewarm.Tests.Unit.Pipeline;

/// <summary>
/// No event of the store or the cluster arrives. One sweep finds the upload; from then on the role that sweeps, which is always on, looks by itself at what is on its way.
/// On the real store and API server; Fluid and KServe do their part as soon as they are asked.
/// </summary>
public sealed class LostEventsTests
{
    /// <value>Of the PingSource in eventing/base/sources.yaml.</value>
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task EveryEventLost_OneSweep_ServesBeforeTheNextOne()
    {
        await using var world = await UploadWorld.StartAsync();
        await world.LookAsync();
        await world.UploadAsync("m/v1", "one");
        var line = new Recorded(world.Line);
        var catalog = new Moving { Current = new([await world.ModelAsync()]) };
        using var loop = new NextLookLoop(catalog, line, world.Time, NullLogger<NextLookLoop>.Instance);
        loop.Tick(world.Deadline);
        Assert.Empty(line.Looks);

        var began = world.Time.GetUtcNow();
        using (var sweep = await world.SweepAsync())
        {
            await world.RememberAfterAsync(sweep.RunAsync(world.Deadline));
        }

        while (world.Status.Version != "v1")
        {
            Assert.True(world.Time.GetUtcNow() - began < Period, $"{world.Status.Phase} after {world.Time.GetUtcNow() - began}");
            await world.PlayFluidAsync();
            await world.PlayKServeAsync();
            catalog.Current = new([await world.ModelAsync()]);
            line.Looks.Clear();
            var wait = loop.Tick(world.Deadline);
            await world.RememberAfterAsync([.. line.Looks]);
            world.Time.Advance(line.Looks.Count > 0 ? TimeSpan.Zero : wait);
        }

        Assert.Equal(["v1"], world.Loads);
    }

    private sealed class Recorded(IModelLine line) : IModelLine
    {
        public List<Task> Looks { get; } = [];

        public Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, CancellationToken cancellationToken)
        {
            var look = line.AdvanceAsync(model, cause, fresh, cancellationToken);
            Looks.Add(look);
            return look;
        }
    }

    private sealed class Moving : ICatalog
    {
        public required CatalogSnapshot Current { get; set; }
        public Task Synced => Task.CompletedTask;
        public Task NextChange { get; } = new TaskCompletionSource().Task;
    }
}
