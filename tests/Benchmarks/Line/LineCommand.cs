using System.Collections.Concurrent;
using System.Globalization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;
using Prewarm.Tests.Benchmarks.Running;

namespace Prewarm.Tests.Benchmarks.Line;

/// <summary>
/// <c>line [--functions FILE] [--uploads N]</c>: from the sending of the upload's last event to the DataLoad, as a watch of the API server tells it.
/// The marker completes the upload, so that no quiet time is in it.
/// </summary>
internal static class LineCommand
{
    /// <summary>A little more than the 2 s between two listings of a prefix.</summary>
    private static readonly TimeSpan ListingInterval = TimeSpan.FromSeconds(2.2);

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private const int Batch = 25;

    private static readonly ConcurrentDictionary<string, TaskCompletionSource<long>> Written = new();

    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var uploads = arguments.Number("uploads", 200);
        await using var world = await LineWorldOnServer.StartAsync(cancellationToken);
        await world.StartFunctionsAsync(arguments.Text("functions"), null, cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = WatchAsync(world, stop.Token);
        await MeasureAsync(world, "warming", Batch, 1, null, cancellationToken);

        Console.WriteLine("| uploads | p50, ms | p95, ms | largest, ms |");
        Console.WriteLine("|---|---|---|---|");
        Show($"{uploads} one after another", await MeasureAsync(world, "one", uploads, 1, null, cancellationToken));
        Show($"{uploads}, 10 at once", await MeasureAsync(world, "ten", uploads, 10, null, cancellationToken));
        Show($"{uploads} one after another, marker and files told at once", await MeasureAsync(world, "burst", uploads, 1, TimeSpan.Zero, cancellationToken));
        Show($"{uploads} one after another, the marker 0.3 s after the files", await MeasureAsync(world, "soon", uploads, 1, TimeSpan.FromSeconds(0.3), cancellationToken));
        await stop.CancelAsync();
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return 0;
    }

    /// <param name="before">The files' events come so long before the marker's; null: two listing intervals and more.</param>
    private static async Task<List<double>> MeasureAsync(LineWorldOnServer world, string name, int uploads, int atOnce, TimeSpan? before, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        for (var from = 0; from < uploads; from += Batch)
        {
            var models = Enumerable.Range(from, Math.Min(Batch, uploads - from)).Select(i => $"{name}-{i.ToString(CultureInfo.InvariantCulture)}").ToArray();
            foreach (var model in models)
            {
                await world.MakeModelAsync(model, cancellationToken);
            }

            foreach (var model in models)
            {
                await world.UploadAsync(model, cancellationToken);
                if (before is null)
                {
                    world.TellFiles(model);
                }
            }

            await Task.Delay(ListingInterval * 2, TimeProvider.System, cancellationToken);
            foreach (var some in models.Chunk(atOnce))
            {
                times.AddRange(await Task.WhenAll(some.Select(m => OneAsync(world, m, before, cancellationToken))));
            }

            await world.RemoveAsync(models, cancellationToken);
        }

        return times;
    }

    private static async Task<double> OneAsync(LineWorldOnServer world, string model, TimeSpan? before, CancellationToken cancellationToken)
    {
        if (before is { } time)
        {
            world.TellFiles(model);
            await (time > TimeSpan.Zero ? Task.Delay(time, TimeProvider.System, cancellationToken) : Task.CompletedTask);
        }

        await world.MarkAsync(model, cancellationToken);
        var written = Written.GetOrAdd(model, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

        var told = TimeProvider.System.GetTimestamp();
        world.TellMarker(model);
        return TimeProvider.System.GetElapsedTime(told, await written.Task.WaitAsync(Limit, TimeProvider.System, cancellationToken)).TotalMilliseconds;
    }

    private static async Task WatchAsync(LineWorldOnServer world, CancellationToken cancellationToken)
    {
        var list = await world.Api.ListAsync(FluidKinds.DataLoads, LineWorldOnServer.Namespace, null, cancellationToken);
        var version = list.ResourceVersion;
        while (true)
        {
            await foreach (var change in world.Api.WatchAsync(FluidKinds.DataLoads, LineWorldOnServer.Namespace, null, version, cancellationToken))
            {
                version = change.ResourceVersion;
                if (change.Object?.Metadata.Labels?.GetValueOrDefault(Ownership.ModelLabel) is { } model)
                {
                    Written.GetOrAdd(model, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult(TimeProvider.System.GetTimestamp());
                }
            }
        }
    }

    private static void Show(string what, List<double> times)
    {
        var spread = new Spread(times);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {spread.At(0.5):0} | {spread.At(0.95):0} | {spread.At(1):0} |"));
    }
}
