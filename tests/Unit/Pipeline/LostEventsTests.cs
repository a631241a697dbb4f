using System.Collections.Concurrent;
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
            world.Time.Advance(!line.Looks.IsEmpty ? TimeSpan.Zero : wait);
        }

        Assert.Equal(["v1"], world.Loads);
    }

    /// <summary>Not even the role that is always on looks: its watch is silent, or it is another process that is away.</summary>
    [Fact]
    public async Task EveryEventLost_AndNobodyElseLooks_OneSweepServesBeforeTheNextOne()
    {
        await using var world = await UploadWorld.StartAsync();
        await world.LookAsync();
        await world.UploadAsync("m/v1", "one");
        var line = new Recorded(world.Line);
        var began = world.Time.GetUtcNow();
        using var sweep = await world.SweepAsync(line);
        await world.RememberAfterAsync(sweep.RunAsync(world.Deadline));

        while (world.Status.Version != "v1" || world.Condition("Ready") is not { Status: "True" })
        {
            Assert.True(world.Time.GetUtcNow() - began < Period, $"{world.Status.Phase} after {world.Time.GetUtcNow() - began}");
            await world.PlayFluidAsync();
            await world.PlayKServeAsync();
            world.Time.Advance(TimeSpan.FromMilliseconds(500));
            await world.RememberAfterAsync([.. line.Looks]);
        }

        Assert.Equal(["v1"], world.Loads);

        // At rest nobody looks any more.
        var looks = line.Looks.Count;
        var rested = world.Time.GetUtcNow();
        while (world.Time.GetUtcNow() - rested < Period)
        {
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.RememberAfterAsync([.. line.Looks]);
        }

        Assert.InRange(line.Looks.Count, looks, looks + 1);
    }

    private sealed class Recorded(IModelLine line) : IModelLine
    {
        public ConcurrentQueue<Task> Looks { get; } = [];

        public Task<LineOutcome> AdvanceAsync(ModelKey model, string? cause, bool fresh, CancellationToken cancellationToken)
        {
            var look = line.AdvanceAsync(model, cause, fresh, cancellationToken);
            Looks.Enqueue(look);
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
