using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Events;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Functions.Relay;

/// <summary>
/// Sends each minute's arrivals to <c>K_SINK</c>: 1. a minute that is over becomes one event, or several of <see cref="TrafficReport.MaxModels"/> models, and a model's first answer after a start one within <see cref="Pace"/>; 2. what is not taken is sent again until it is,
/// the oldest first; 3. beyond <see cref="MaxBacklog"/> the oldest is given up; 4. at the end of the process what is there goes out, the minute that is not over included.
/// </summary>
internal sealed class TrafficReporter(TrafficBook book, EventSink sink, IOptions<RelayOptions> options, TimeProvider time, ILogger<TrafficReporter> logger) : BackgroundService
{
    /// <summary>Events that wait for a sink which takes none: four hours of up to a thousand models.</summary>
    public const int MaxBacklog = 240;

    private const string Source = "/prewarm/relay";
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    private readonly Queue<(EventHead Head, byte[] Data)> _waiting = new();
    // A container that starts again has its pod's name, but counts anew.
    private readonly string _replica = string.Create(CultureInfo.InvariantCulture, $"{Environment.MachineName}-{time.GetUtcNow().ToUnixTimeMilliseconds():x}");

    /// <summary>Events that nobody has taken yet.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>One look at the book and one try to send.</summary>
    internal async Task TickAsync(bool all, CancellationToken cancellationToken)
    {
        // 1
        foreach (var (head, data) in book.TakeCold().Select(c => Event(c, _replica)).Concat(book.Take(all).SelectMany(p => Events(p, _replica))))
        {
            _waiting.Enqueue((head, data));
            if (_waiting.Count > MaxBacklog)
            {
                // 3
                Log.TrafficGivenUp(logger, _waiting.Dequeue().Head.Id, MaxBacklog);
            }
        }

        // 2
        while (_waiting.TryPeek(out var first))
        {
            if (await sink.SendAsync(options.Value.Sink!, first.Head, first.Data, cancellationToken) is { } problem)
            {
                Log.TrafficNotTaken(logger, first.Head.Id, problem, _waiting.Count);
                // One that is refused for what it is must not stop those behind it.
                _waiting.Enqueue(_waiting.Dequeue());
                return;
            }

            _waiting.Dequeue();
        }
    }

    /// <summary>Pure: what a wake's time line lacks, before the minute is over and beside its count.</summary>
    internal static (EventHead Head, byte[] Data) Event(ColdAnswer cold, string replica)
    {
        var report = new TrafficReport(replica, TrafficBook.MinuteOf(cold.At), [new(cold.Model.Namespace, cold.Model.Name, 0, 0, 0, 0, 0) { FirstByte = cold.After.TotalSeconds }]);
        var id = string.Create(CultureInfo.InvariantCulture, $"{replica}/cold/{cold.Model}/{cold.At.ToUnixTimeMilliseconds()}");
        return (new(id, Source, TrafficReport.Type, replica), JsonSerializer.SerializeToUtf8Bytes(report, TrafficJsonContext.Default.TrafficReport));
    }

    /// <summary>Pure: the events of one minute. The same replica and minute give the same ids.</summary>
    internal static IEnumerable<(EventHead Head, byte[] Data)> Events(TrafficPage page, string replica)
    {
        var part = 0;
        foreach (var models in page.Models.OrderBy(m => m.Key.Namespace, StringComparer.Ordinal).ThenBy(m => m.Key.Name, StringComparer.Ordinal).Chunk(TrafficReport.MaxModels))
        {
            var report = new TrafficReport(replica, page.Minute,
                [.. models.Select(m => new ModelTraffic(m.Key.Namespace, m.Key.Name, m.Value.Count, m.Value.First, m.Value.Last, m.Value.Ended, m.Value.Seconds) { FirstByte = m.Value.FirstByte, Others = m.Value.Others })]);
            var id = string.Create(CultureInfo.InvariantCulture, $"{replica}/{page.Minute:yyyy-MM-dd'T'HH:mm'Z'}{(part == 0 ? "" : $"/{part}")}");
            part++;
            yield return (new(id, Source, TrafficReport.Type, replica), JsonSerializer.SerializeToUtf8Bytes(report, TrafficJsonContext.Default.TrafficReport));
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (options.Value.Sink is null)
        {
            return;
        }

        // 4: the server has ended before, and may have used the grace period up.
        using var limit = new CancellationTokenSource(LastWords, time);
        try
        {
            await TickAsync(all: true, limit.Token);
        }
        catch (OperationCanceledException)
        {
            Log.TrafficNotTaken(logger, _replica, "the process ends", _waiting.Count);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (options.Value.Sink is not null)
        {
            try
            {
                await Task.Delay(Pace, time, stoppingToken);
                await TickAsync(all: false, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
        }
    }
}
