using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Brings every model to what its plan says, by level, so that a tick which is lost, repeated or run by two processes changes nothing about where it ends:
/// 1. what was learned is read, and what has come since is folded in; 2. where it is this process's turn (<see cref="PrewarmTurn"/>) each model's plan is made, and which caches stay is decided over all of them;
/// 3. each model: cache first, then pods, within its budgets; 4. holds that have run out are taken back, whoever made them; 5. what was learned is saved.
/// </summary>
internal sealed class PrewarmTick(
    IKubeApi api, ICatalog catalog, IOptions<CatalogOptions> scope, IArrivals arrivals, MemoryStore memories, FleetForecast forecast, FleetStore fleet, HistoryStart history, ModelLooks looks, CacheChoice choice,
    HoldActor holds, CacheActor caches, PrewarmTurn turn, PrewarmOptions options, TimeProvider time, ILogger<PrewarmTick> logger) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>What only people read is written so often at most.</summary>
    private static readonly TimeSpan TellPace = TimeSpan.FromMinutes(1);

    /// <summary>… and of all models together so often a minute at most: what has waited longest first.</summary>
    internal const int TellsAMinute = 300;

    private readonly Dictionary<ModelKey, DateTimeOffset> _written = [];
    private double _tells = TellsAMinute;
    private readonly HashSet<ModelKey> _measured = [];
    private readonly Dictionary<ModelKey, PrewarmStatus> _told = [];

    // Namespaces (null as "": all) whose models' statuses have been read since it became this process's turn.
    private readonly HashSet<string> _toldOf = new(StringComparer.Ordinal);
    private DaySpending _spending = new([], default);
    private long? _before;
    private bool _acted;

    public void Dispose() => _one.Dispose();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        // A tick that runs does what this one would.
        if (!catalog.Synced.IsCompletedSuccessfully || !await _one.WaitAsync(0, cancellationToken))
        {
            return;
        }

        try
        {
            await TickAsync(cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    internal static bool Expected(Exception e) => e is KubeApiException or HttpRequestException or IOException or JsonException;

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        // 1
        var mine = await turn.MineAsync(cancellationToken);
        if (mine && !_acted)
        {
            // Who had the turn before has changed what this process has read.
            _told.Clear();
            _toldOf.Clear();
            memories.ReadAgain();
            fleet.ReadAgain();
        }

        _acted = mine;
        await memories.LoadAsync(cancellationToken);
        await fleet.LoadAsync(cancellationToken);
        var now = time.GetUtcNow();
        var models = catalog.Current;
        // Minutes of pure work, so not on the caller's thread; what it taught is saved before anything else, memories first: a crash in between reads it again and changes no memory that there is.
        if (mine && fleet.First && await Task.Run(() => history.Read(models, cancellationToken), cancellationToken))
        {
            await memories.SaveAsync(now: true, cancellationToken);
            await fleet.SaveAsync(now: true, cancellationToken);
        }

        Learn(models, now);
        try
        {
            if (mine)
            {
                await ActAsync(models, now, cancellationToken);
            }
        }
        finally
        {
            // 5: whatever was refused above.
            await memories.SaveAsync(now: false, cancellationToken);
            await fleet.SaveAsync(now: false, cancellationToken);
        }
    }

    /// <summary>All models' calls in order of time: what one teaches, the next one's forecast has.</summary>
    private void Learn(CatalogSnapshot models, DateTimeOffset now)
    {
        foreach (var (at, model) in models.Models.SelectMany(m => memories.New(m.Key(), arrivals.Recent(m.Key()), now - options.Settle).Select(at => (At: at, Model: m))).OrderBy(c => c.At).ToList())
        {
            forecast.Arrive(MemoryStore.Key(model.Key()), memories.Change(model.Key()), model.Spec?.Prewarm.Patience ?? 0, at);
        }

        var keys = models.ByKey.Keys.ToHashSet();
        looks.Keep(keys);
        caches.Keep(keys);
        memories.Keep(keys, scope.Value.Namespaces, now);
        forecast.Keep(keys.Select(MemoryStore.Key).ToHashSet(StringComparer.Ordinal));
    }

    private async Task ActAsync(CatalogSnapshot models, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await ReadToldAsync(cancellationToken);
        var seconds = _before is { } before ? time.GetElapsedTime(before).TotalSeconds : 0;
        _before = time.GetTimestamp();
        foreach (var gone in _told.Keys.Concat(_measured).Where(k => !models.ByKey.ContainsKey(k)).ToHashSet())
        {
            PrewarmMetrics.Forget(gone, _told.GetValueOrDefault(gone));
            _told.Remove(gone);
            _written.Remove(gone);
            _measured.Remove(gone);
        }

        // 2
        _spending = new(_told, now);
        var all = models.Models.Where(m => _toldOf.Contains("") || _toldOf.Contains(m.Metadata.Namespace ?? "")).Select(m => looks.Of(m, _told.GetValueOrDefault(m.Key()) ?? new(), _spending, now)).OfType<ModelLook>().ToList();
        var orders = await choice.DecideAsync(all, now, async look =>
        {
            try
            {
                return await caches.InUseAsync(look, cancellationToken);
            }
            catch (Exception e) when (Expected(e))
            {
                Log.Deferred(logger, look.Key, e.Message);
                return true;
            }
        });

        // 3: first those that give room.
        _tells = Math.Min(TellsAMinute, _tells + (seconds * TellsAMinute / 60));
        foreach (var look in all.OrderBy(l => orders[l.Key].Keep).ThenBy(l => _written.GetValueOrDefault(l.Key)))
        {
            try
            {
                if (!await turn.StillMineAsync(cancellationToken))
                {
                    return;
                }

                // A tick over many models takes a while, and what is charged begins when it is written.
                await ModelAsync(look with { Others = _spending.Others(look.Key, _told.GetValueOrDefault(look.Key) ?? new()) }, orders[look.Key], time.GetUtcNow(), seconds, cancellationToken);
            }
            catch (Exception e) when (Expected(e))
            {
                Log.Deferred(logger, look.Key, e.Message);
            }
        }

        // 4
        foreach (var ns in Scopes())
        {
            await holds.ReapAsync(ns, models, time.GetUtcNow(), cancellationToken);
        }
    }

    private async Task ModelAsync(ModelLook look, CacheOrder order, DateTimeOffset now, double seconds, CancellationToken cancellationToken)
    {
        var (key, told, plan, spec) = (look.Key, look.Told, look.Plan, look.Spec);
        Task TellThisAsync(PrewarmStatus s) => TellAsync(key, s, cancellationToken);
        // Cache before pods: what a pod reads first is there.
        var status = await caches.ActAsync(look, order, TellThisAsync, now, cancellationToken);
        if (plan.Pods > 0)
        {
            // What this day has cost may have been written by another process.
            var cache = status;
            status = await FreshAsync(key, cancellationToken) is { } fresh ? fresh with { Cache = cache.Cache, CacheGb = cache.CacheGb, CacheUntil = cache.CacheUntil, CacheGbSeconds = cache.CacheGbSeconds } : cache;
            status = await holds.HoldAsync(look.Model, look.Revision, plan, status, look.Others.Pods, TellThisAsync, now, cancellationToken);
        }
        else if (told.Pods > 0)
        {
            status = status with { Pods = 0, Until = null };
        }

        var spent = status is { Pods: 0 } && status.Why.StartsWith("budget", StringComparison.Ordinal) && plan.Pods > 0;
        status = holds.Judge(key, status with { Why = spent ? status.Why : plan.Pods > 0 ? plan.Why : order.Why ?? plan.Why }, look.Recent, now);
        Measure(look.Model, now);
        status = status with
        {
            Policy = look.Policy,
            Regret = look.Policy is null ? null : Math.Round(FleetForecast.Regret(look.Memory!, spec.Patience), 1),
            Price = look.Price > 1 ? Math.Round(look.Price, 2) : null,
            CachePrice = look.CachePrice > 1 ? Math.Round(look.CachePrice, 2) : null,
            CacheWorkers = looks.CacheWorkers(look, status.Pods),
        };
        PrewarmMetrics.Observe(look, status, seconds, now);
        _measured.Add(key);
        // A model that nobody has anything prepared for needs no status.
        told = _told.GetValueOrDefault(key) ?? new();
        if (status != told && Due(key, told, status, now) && (told != new PrewarmStatus() || status.Pods > 0 || status.Cache != "Kept" || spec.Windows.Count > 0 || spec.Patience > 0 || spec.Paused || status.CacheGbSeconds is not null))
        {
            await TellAsync(key, status, cancellationToken);
        }
    }

    /// <summary>How long loads and starts take tells how much earlier the next ones have to be.</summary>
    private void Measure(CachedModel model, DateTimeOffset now)
    {
        if (caches.Took(model, now) is { } load)
        {
            memories.Change(model.Key()).Took(pod: false, load);
        }

        if (holds.Took(model.Key()) is { } start)
        {
            memories.Change(model.Key()).Took(pod: true, start);
        }
    }

    /// <summary>What only people read waits, so that a model with calls costs a write a minute and not one a tick.</summary>
    private bool Due(ModelKey key, PrewarmStatus told, PrewarmStatus status, DateTimeOffset now)
    {
        if (Bare(told) != Bare(status) || told.Why.StartsWith("budget", StringComparison.Ordinal) != status.Why.StartsWith("budget", StringComparison.Ordinal))
        {
            return true;
        }

        if (_tells < 1 || (_written.TryGetValue(key, out var at) && now >= at && now - at < TellPace))
        {
            return false;
        }

        _tells--;
        return true;
    }

    private static PrewarmStatus Bare(PrewarmStatus status) => status with { Why = "", Until = null, Policy = null, Regret = null, Price = null, CachePrice = null, CacheWorkers = null };

    private IEnumerable<string?> Scopes() => scope.Value.Namespaces is { Count: > 0 } some ? some : (IEnumerable<string?>)[null];

    /// <summary>What models' days have cost, as whoever had the turn before wrote it; one namespace that cannot be read keeps no other waiting.</summary>
    private async Task ReadToldAsync(CancellationToken cancellationToken)
    {
        foreach (var ns in Scopes().Where(s => !_toldOf.Contains(s ?? "")))
        {
            try
            {
                foreach (var model in (await api.ListAsync(PrewarmKinds.Models, ns, null, cancellationToken)).Items)
                {
                    if (model.Status?.Prewarm is { } status)
                    {
                        _told[new(model.Metadata.Namespace ?? "", model.Metadata.Name ?? "")] = status;
                    }
                }

                _toldOf.Add(ns ?? "");
            }
            catch (Exception e) when (Expected(e))
            {
                Log.NotTold(logger, ns ?? "every namespace", e.Message);
            }
        }
    }

    private async Task<PrewarmStatus?> FreshAsync(ModelKey key, CancellationToken cancellationToken) =>
        (await api.GetAsync(PrewarmKinds.Models, key.Namespace, key.Name, cancellationToken))?.Status?.Prewarm;

    private async Task TellAsync(ModelKey key, PrewarmStatus status, CancellationToken cancellationToken)
    {
        await api.ApplyPartAsync(PrewarmKinds.Models, key, new() { Prewarm = status }, null, PrewarmKinds.StatusManager, cancellationToken);
        _spending.Replace(key, _told.GetValueOrDefault(key), status);
        _told[key] = status;
        _written[key] = time.GetUtcNow();
    }
}
