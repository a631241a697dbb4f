using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Brings every model to what its plan says, by level, so that a tick which is lost, repeated or run by two processes changes nothing about where it ends:
/// 1. what was learned is read, and what has come since is folded in; 2. each model: cache first, then pods, within its budget; 3. holds that have run out are taken back, whoever made them; 4. what was learned is saved.
/// </summary>
internal sealed class PrewarmTick(
    IKubeApi api, ICatalog catalog, IOptions<CatalogOptions> scope, IArrivals arrivals, MemoryStore memories, FleetForecast forecast, FleetStore fleet, HistoryStart history, HoldActor holds, CacheActor caches, PrewarmOptions options, TimeProvider time, ILogger<PrewarmTick> logger) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly BudgetPrices _prices = new(options);

    /// <summary>What only people read is written so often at most.</summary>
    private static readonly TimeSpan TellPace = TimeSpan.FromMinutes(1);

    private readonly Dictionary<ModelKey, (PrewarmStatus Status, DateTimeOffset At)> _written = [];
    private Dictionary<ModelKey, PrewarmStatus>? _told;
    private long? _before;

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
        await memories.LoadAsync(cancellationToken);
        await fleet.LoadAsync(cancellationToken);
        var now = time.GetUtcNow();
        var seconds = _before is { } before ? time.GetElapsedTime(before).TotalSeconds : 0;
        _before = time.GetTimestamp();
        _told ??= await ToldAsync(cancellationToken);
        var models = catalog.Current;
        // Minutes of pure work, so not on the caller's thread; what it taught is saved before anything else, memories first: a crash in between reads it again and changes no memory that there is.
        if (fleet.First && await Task.Run(() => history.Read(models, cancellationToken), cancellationToken))
        {
            await memories.SaveAsync(now: true, cancellationToken);
            await fleet.SaveAsync(now: true, cancellationToken);
        }

        foreach (var gone in _told.Keys.Where(k => !models.ByKey.ContainsKey(k)).ToList())
        {
            PrewarmMetrics.Forget(gone, _told[gone]);
            _told.Remove(gone);
            _written.Remove(gone);
        }

        Learn(models, now);

        // 2
        foreach (var model in models.Models)
        {
            try
            {
                await ModelAsync(model, now, seconds, cancellationToken);
            }
            catch (Exception e) when (Expected(e))
            {
                Log.Deferred(logger, model.Key(), e.Message);
            }
        }

        // 3
        foreach (var ns in Scopes())
        {
            await holds.ReapAsync(ns, models, now, cancellationToken);
        }

        // 4
        await memories.SaveAsync(now: false, cancellationToken);
        await fleet.SaveAsync(now: false, cancellationToken);
    }

    /// <summary>All models' calls in order of time: what one teaches, the next one's forecast has.</summary>
    private void Learn(CatalogSnapshot models, DateTimeOffset now)
    {
        foreach (var (at, model) in models.Models.SelectMany(m => memories.New(m.Key(), arrivals.Recent(m.Key()), now - options.Settle).Select(at => (At: at, Model: m))).OrderBy(c => c.At).ToList())
        {
            forecast.Arrive(MemoryStore.Key(model.Key()), memories.Change(model.Key()), model.Spec?.Prewarm.Patience ?? 0, at);
        }

        _prices.Keep(models.Models.Select(m => m.Key()));
        forecast.Keep(models.Models.Select(m => MemoryStore.Key(m.Key())).ToHashSet(StringComparer.Ordinal));
    }

    /// <summary>What the model is to have now, and by whose windows.</summary>
    private (PrewarmPlan Plan, string? Policy) Plan(CachedModel model, ServiceMemory? memory, IReadOnlyList<ArrivalMinute> recent, double price, DateTimeOffset now)
    {
        var spec = model.Spec!.Prewarm;
        Span<ReadyWindow> windows = stackalloc ReadyWindow[GapPolicy.MostWindows];
        var (count, policy) = spec.Patience > 0 && memory is { Seen: > 0 } ? forecast.Plan(MemoryStore.Key(model.Key()), memory, spec.Patience, price, windows) : (0, null);
        var last = recent.Count > 0 ? recent[^1].LastAt : memory?.Last ?? double.NaN;
        return (PrewarmPlanner.Plan(spec, windows[..count], last, Pods(model, recent), now, memory?.Lead(pod: false) ?? 0, memory?.Lead(pod: true) ?? 0), policy);
    }

    private async Task ModelAsync(CachedModel model, DateTimeOffset now, double seconds, CancellationToken cancellationToken)
    {
        var key = model.Key();
        var recent = arrivals.Recent(key);
        var memory = memories.Of(key);
        var serving = model.Status?.Versions?.FindLast(v => v.State == "Serving");
        if (model.Spec is not { } spec || model.Metadata.DeletionTimestamp is not null || serving?.Revision is not { } revision || model.Status?.Url is null)
        {
            return;
        }

        var told = _told!.GetValueOrDefault(key) ?? new();
        var spent = Others(key, now);
        var price = _prices.Of(key, spec.Prewarm.Budget, told, spent, now);
        var (plan, policy) = Plan(model, memory, recent, price, now);
        var status = told;
        // Cache before pods: what a pod reads first is there.
        var cache = await caches.ActAsync(model, plan, revision, cancellationToken);
        if (plan.Pods > 0)
        {
            // What this day has cost may have been written by another process.
            status = await FreshAsync(key, cancellationToken) ?? told;
            status = await holds.HoldAsync(model, revision, plan, status, spent, s => TellAsync(key, s, cancellationToken), now, cancellationToken);
        }
        else if (told.Pods > 0)
        {
            status = status with { Pods = 0, Until = null };
        }

        status = holds.Judge(key, status with { Cache = cache, Why = status.Why.StartsWith("budget", StringComparison.Ordinal) && plan.Pods > 0 ? status.Why : plan.Why }, recent, now);
        Measure(model, now);
        status = status with { Policy = policy, Regret = policy is null ? null : Math.Round(FleetForecast.Regret(memory!, spec.Prewarm.Patience), 1), Price = price > 1 ? Math.Round(price, 2) : null };
        PrewarmMetrics.Observe(key, told, status, seconds);
        // A model that nobody has anything prepared for needs no status.
        if (status != told && Due(key, status, now) && (told != new PrewarmStatus() || status.Pods > 0 || status.Cache != "Kept" || spec.Prewarm.Windows.Count > 0 || spec.Prewarm.Patience > 0 || spec.Prewarm.Paused))
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
    private bool Due(ModelKey key, PrewarmStatus status, DateTimeOffset now) =>
        !_written.TryGetValue(key, out var written) || now - written.At >= TellPace || now < written.At || Bare(written.Status) != Bare(status)
        || written.Status.Why.StartsWith("budget", StringComparison.Ordinal) != status.Why.StartsWith("budget", StringComparison.Ordinal);

    private static PrewarmStatus Bare(PrewarmStatus status) => status with { Why = "", Until = null, Regret = null, Price = null };

    /// <summary>Pod-seconds of this day of the namespace's other models.</summary>
    private double Others(ModelKey key, DateTimeOffset now) =>
        _told!.Where(t => t.Key.Namespace == key.Namespace && t.Key != key).Sum(t => t.Value.Today(now).PodSeconds);

    /// <summary>Little's law over the busiest of the last minutes with calls.</summary>
    private static int Pods(CachedModel model, IReadOnlyList<ArrivalMinute> recent)
    {
        var minutes = recent.TakeLast(60).ToList();
        var served = minutes.Sum(m => m.Served);
        if (served == 0)
        {
            return 1;
        }

        var concurrency = model.Spec!.Serving.Predictor?["containerConcurrency"] is JsonValue value && value.TryGetValue<int>(out var limit) && limit > 0 ? limit : 100;
        return PodCount.Pods(minutes.Max(m => m.Count) / 60.0, minutes.Sum(m => m.ServiceSeconds) / served, concurrency, maxScale: 0);
    }

    private IEnumerable<string?> Scopes() => scope.Value.Namespaces is { Count: > 0 } some ? some : (IEnumerable<string?>)[null];

    private async Task<Dictionary<ModelKey, PrewarmStatus>> ToldAsync(CancellationToken cancellationToken)
    {
        var told = new Dictionary<ModelKey, PrewarmStatus>();
        foreach (var ns in Scopes())
        {
            foreach (var model in (await api.ListAsync(PrewarmKinds.Models, ns, null, cancellationToken)).Items)
            {
                if (model.Status?.Prewarm is { } status)
                {
                    told[new(model.Metadata.Namespace ?? "", model.Metadata.Name ?? "")] = status;
                }
            }
        }

        return told;
    }

    private async Task<PrewarmStatus?> FreshAsync(ModelKey key, CancellationToken cancellationToken) =>
        (await api.GetAsync(PrewarmKinds.Models, key.Namespace, key.Name, cancellationToken))?.Status?.Prewarm;

    private async Task TellAsync(ModelKey key, PrewarmStatus status, CancellationToken cancellationToken)
    {
        await api.ApplyPartAsync(PrewarmKinds.Models, key, new() { Prewarm = status }, null, PrewarmKinds.StatusManager, cancellationToken);
        _told![key] = status;
        _written[key] = (status, time.GetUtcNow());
    }
}
