using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What a history teaches a prewarmer that has never run (<c>Prewarm__History</c>, a file as <c>backtest</c> reads): 1. it is read whole before anything is learned, so a bad line changes nothing;
/// 2. its newest <see cref="MostCalls"/> calls teach the fleet, all services' in order of time; 3. of a service that is a model of ours (<c>namespace/name</c>, or a name that only one has) the model's own memory
/// begins with them, unless it remembers something already; 4. calls after now, and memories older than <see cref="Oldest"/>, tell nothing of when things happen here: traces whose time begins at 0 teach the fleet only.
/// </summary>
internal sealed class HistoryStart(FleetForecast forecast, MemoryStore memories, PrewarmOptions options, TimeProvider time, ILogger<HistoryStart> logger)
{
    /// <summary>Of the file's text, unpacked: some millions of calls.</summary>
    public const long MostBytes = 32 << 20;

    public const int MostCalls = 200_000;

    /// <summary>Learning ends after this, wherever it is.</summary>
    public static readonly TimeSpan MostTime = TimeSpan.FromMinutes(2);

    public static readonly TimeSpan Oldest = TimeSpan.FromDays(30);

    // The clock is asked this seldom.
    private const int Look = 256;

    private bool _done;

    /// <summary>Reads it, once; to be asked only where nothing was saved before.</summary>
    /// <returns>Something was learned, to be saved at once so that it is not read again.</returns>
    public bool Read(CatalogSnapshot models, CancellationToken cancellationToken)
    {
        if (_done || options.History is not { } path)
        {
            return false;
        }

        _done = true;
        try
        {
            // 1
            using var file = File.OpenRead(path);
            return Learn(TraceReader.Read(file, Path.GetFileName(path), MostBytes), models, Path.GetFileName(path), cancellationToken) > 0;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // The ConfigMap is optional.
            Log.HistoryAbsent(logger, path);
            return false;
        }
        catch (Exception e) when (e is TraceFormatException or IOException or UnauthorizedAccessException)
        {
            Log.HistoryUnreadable(logger, path, e.Message);
            return false;
        }
    }

    private int Learn(IReadOnlyList<ServiceTrace> services, CatalogSnapshot models, string name, CancellationToken cancellationToken)
    {
        var (now, began) = (time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0, time.GetTimestamp());
        var owners = Owners(services, models);
        var known = services.Select(_ => new ServiceMemory()).ToArray();
        var order = new ArrivalOrder(services);
        // 2
        var skip = services.Sum(s => (long)s.Arrivals.Length) - MostCalls;
        var (learned, last) = (0, double.NegativeInfinity);
        while (order.Next(out var s, out _, out var at))
        {
            if (skip-- > 0)
            {
                continue;
            }

            // 4
            if (at > now || (learned % Look == 0 && (cancellationToken.IsCancellationRequested || time.GetElapsedTime(began) > MostTime)))
            {
                break;
            }

            forecast.Arrive(owners[s] is { } model ? MemoryStore.Key(model.Key()) : $"history/{services[s].Id}", known[s], owners[s]?.Spec?.Prewarm.Patience ?? 0, at);
            (learned, last) = (learned + 1, at);
        }

        // 3
        var begun = 0;
        for (var s = 0; s < services.Count; s++)
        {
            if (owners[s] is { } model && known[s].Seen > 0 && known[s].Last > now - Oldest.TotalSeconds && memories.Begin(model.Key(), known[s]))
            {
                begun++;
            }
        }

        // 4
        if (last < now - Oldest.TotalSeconds)
        {
            forecast.Fleet.Prior.Fleet.ForgetTimes();
        }

        Log.HistoryRead(logger, name, learned, services.Count, begun);
        return learned;
    }

    private static CachedModel?[] Owners(IReadOnlyList<ServiceTrace> services, CatalogSnapshot models)
    {
        var byName = models.Models.GroupBy(m => m.Key().Name, StringComparer.Ordinal).Where(g => g.Count() == 1).ToDictionary(g => g.Key, g => g.Single(), StringComparer.Ordinal);
        var taken = new HashSet<ModelKey>();
        return
        [
            .. services.Select(s => Find(s.Id) is { } model && taken.Add(model.Key()) ? model : null),
        ];

        CachedModel? Find(string id) =>
            id.IndexOf('/', StringComparison.Ordinal) is var slash and > 0 ? models.ByKey.GetValueOrDefault(new(id[..slash], id[(slash + 1)..])) : byName.GetValueOrDefault(id);
    }
}
