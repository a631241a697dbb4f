using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Scale;
using Prewarm.Sandbox.Cluster;
using Prewarm.Tests.Benchmarks.Running;

namespace Prewarm.Tests.Benchmarks.Scale;

/// <summary>
/// <c>scale [--rate N] [--seconds N] [--warm N]</c>: from the autoscaler's write of a PodAutoscaler to the verdict, as watches of the API server tell it (its Event, and <c>status.activation</c>),
/// while so many models wake each second: by our own watch, then by ApiServerSource, broker, trigger and function. API server, eventing and functions are in this process; all speak HTTPS or HTTP.
/// </summary>
internal static class ScaleCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Models that wake before it is measured, so that nothing is compiled meanwhile: <c>--warm</c>.</summary>
    private const int Warm = 500;

    /// <summary>Milliseconds of the 99th percentile by the watch.</summary>
    private const double Target = 100;

    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var (rate, seconds) = (arguments.Number("rate", 100), arguments.Number("seconds", 10));
        var warm = arguments.Number("warm", Warm);
        Console.WriteLine($"{rate} activations a second for {seconds} s, {rate * seconds} models");
        Console.WriteLine("| told by | written where | p50, ms | p95, ms | p99, ms | largest, ms |");
        Console.WriteLine("|---|---|---|---|---|---|");
        var watch = await MeasureAsync("the watch", rate, seconds, warm, events: false, cancellationToken);
        await MeasureAsync("source, broker, function", rate, seconds, warm, events: true, cancellationToken);
        return watch <= Target ? 0 : 1;
    }

    private static async Task<double> MeasureAsync(string by, int rate, int seconds, int warming, bool events, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var count = warming + (rate * seconds);
        await using var fleet = await WakeFleet.StartAsync(count, cancellationToken);
        using var api = fleet.Connect();
        using var lifetime = new Stopping();
        var options = Options.Create(new CatalogOptions());
        var board = new ScaleBoard(time);
        var activations = new Activations(board, new(board, new(api, time, NullLogger<ActivationWriter>.Instance), new(api, time, NullLogger<WakeLoads>.Instance), time, NullLogger<ActivationRun>.Instance),
            lifetime.Lifetime, time, NullLogger<Activations>.Instance);
        using var catalog = new CatalogWatch(api, options, time, NullLogger<CatalogWatch>.Instance);
        using var watch = new ScaleWatch(api, catalog, board, options, Options.Create(new ScaleOptions { Activations = true }), time, NullLogger<ScaleWatch>.Instance, events ? null : activations);
        await catalog.StartAsync(cancellationToken);
        await watch.StartAsync(cancellationToken);
        await using var line = events ? await EventLine.StartAsync(fleet.Connect(), activations, catalog, lifetime.Lifetime, cancellationToken) : null;
        var last = new ModelKey(WakeFleet.Namespace, WakeFleet.Name(count - 1));
        while (board.Of(last) is not { Level: ScaleLevel.Zero, Locality.Locality: Functions.Warm.Locality.Local })
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken);
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var outside = fleet.Connect();
        var (told, written) = (new Seen(count), new Seen(count));
        Task[] watching =
        [
            WatchAsync(outside, CoreKinds.Events, e => e.InvolvedObject.Name, told, stop.Token),
            WatchAsync(outside, Kinds.CachedModels, m => m.At("status", "activation") is null ? null : m.Name(), written, stop.Token),
        ];
        await Task.WhenAll(told.Open.Task, written.Open.Task).WaitAsync(Limit, time, cancellationToken);
        if (line is not null)
        {
            await line.ProbeAsync(fleet, WakeFleet.Name(0), cancellationToken);
        }

        GC.Collect();
        var begun = new long[count];
        var writes = new List<Task>(count);
        var start = time.GetTimestamp();
        var (cpu, compiling, compiled) = (TimeSpan.Zero, TimeSpan.Zero, 0L);
        for (var i = 0; i < count; i++)
        {
            if (i == warming)
            {
                await Task.WhenAll(writes);
                while (written.At.Count < warming)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken);
                }

                (start, cpu, compiling, compiled) = (time.GetTimestamp(), Environment.CpuUsage.TotalTime, JitInfo.GetCompilationTime(), JitInfo.GetCompiledMethodCount());
            }

            var due = TimeSpan.FromSeconds((double)(i < warming ? i : i - warming) / rate) - time.GetElapsedTime(start);
            if (due > TimeSpan.Zero)
            {
                await Task.Delay(due, time, cancellationToken);
            }

            begun[i] = time.GetTimestamp();
            writes.Add(fleet.WakeAsync(WakeFleet.Name(i), time.GetUtcNow(), cancellationToken));
        }

        await Task.WhenAll(writes);
        try
        {
            await Task.WhenAll(told.All.Task, written.All.Task).WaitAsync(Limit, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            Console.WriteLine($"told {told.At.Count}, written {written.At.Count} of {count}; watches begun anew {told.Breaks}, {written.Breaks}");
            throw;
        }

        var (took, used) = (time.GetElapsedTime(start), Environment.CpuUsage.TotalTime - cpu);
        var p99 = Math.Max(Show(by, "Event", told, begun, warming), Show(by, "status.activation", written, begun, warming));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"|  | all in {took.TotalSeconds:0.0} s, {used.TotalMilliseconds / (count - warming):0.0} ms of processor time per activation, everything in one process; {JitInfo.GetCompiledMethodCount() - compiled} methods compiled meanwhile, in {(JitInfo.GetCompilationTime() - compiling).TotalSeconds:0.0} s |  |  |  |  |"));
        await stop.CancelAsync();
        await Task.WhenAll(watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await watch.StopAsync(CancellationToken.None);
        await catalog.StopAsync(CancellationToken.None);
        return p99;
    }

    private static double Show(string by, string where, Seen seen, long[] begun, int warming)
    {
        var spread = new Spread(begun.Select((at, i) => TimeProvider.System.GetElapsedTime(at, seen.At[WakeFleet.Name(i)]).TotalMilliseconds).Skip(warming));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {by} | {where} | {spread.At(0.5):0.0} | {spread.At(0.95):0.0} | {spread.At(0.99):0.0} | {spread.At(1):0.0} |"));
        return spread.At(0.99);
    }

    private static async Task WatchAsync<T>(KubeApi api, ResourceType<T> type, Func<T, string?> model, Seen seen, CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            try
            {
                var list = await api.ListAsync(type, WakeFleet.Namespace, null, cancellationToken);
                list.Items.Select(model).OfType<string>().ToList().ForEach(seen.Note);
                seen.Open.TrySetResult();
                await foreach (var change in api.WatchAsync(type, WakeFleet.Namespace, null, list.ResourceVersion, cancellationToken))
                {
                    if (change.Object is { } obj && model(obj) is { } name)
                    {
                        seen.Note(name);
                    }
                }
            }
            catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
            {
                // What a list tells is late, and counts as that.
                Interlocked.Increment(ref seen.Breaks);
            }
        }
    }

    /// <summary>When each model's verdict was first seen.</summary>
    private sealed class Seen(int count)
    {
        public ConcurrentDictionary<string, long> At { get; } = new(StringComparer.Ordinal);

        /// <summary>How often the watch had to begin anew.</summary>
        public int Breaks;

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource All { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Note(string model)
        {
            if (At.TryAdd(model, TimeProvider.System.GetTimestamp()) && At.Count >= count)
            {
                All.TrySetResult();
            }
        }
    }

    /// <summary>Ends the activations that are still followed.</summary>
    private sealed class Stopping : IDisposable
    {
        public ApplicationLifetime Lifetime { get; } = new(NullLogger<ApplicationLifetime>.Instance);

        public void Dispose() => Lifetime.StopApplication();
    }
}
