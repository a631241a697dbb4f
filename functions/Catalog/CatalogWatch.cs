using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Catalog;

/// <summary>Keeps the snapshot of all CachedModels fresh: one reflector per namespace, or one for all.</summary>
internal sealed class CatalogWatch(IKubeApi api, IOptions<CatalogOptions> options, TimeProvider time, ILogger<CatalogWatch> logger, IHostApplicationLifetime? lifetime = null)
    : BackgroundService, ICatalog, ICatalogContact
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMilliseconds(100);

    private readonly Lock _writing = new();
    private readonly Dictionary<ModelKey, CachedModel> _models = [];
    private readonly HashSet<string> _listed = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Reflector<CachedModel>> _reflectors = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITimer? _later;
    private TimeSpan _cost;
    private long _published;
    private volatile CatalogSnapshot _current = CatalogSnapshot.Empty;
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CatalogSnapshot Current => _current;
    public Task Synced => _synced.Task;
    public Task NextChange => _changed.Task;

    public string? Failure
    {
        get
        {
            var failures = _reflectors.Where(r => r.Value.Failure is not null).Select(r => $"{r.Key}: {r.Value.Failure}").ToArray();
            return failures.Length == 0 ? null : string.Join("; ", failures);
        }
    }

    private IReadOnlyList<string?> Scopes => options.Value.Namespaces is { Count: > 0 } some ? [.. some] : [null];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ServerStart.WaitAsync(lifetime, stoppingToken);
        await Task.WhenAll(Scopes.Select(ns => FollowAsync(ns, stoppingToken)));
    }

    private async Task FollowAsync(string? ns, CancellationToken stopping)
    {
        var reflector = new Reflector<CachedModel>(api, CatalogKinds.CachedModels, ns, null, time, new Random(), logger: logger);
        _reflectors[Name(ns)] = reflector;
        try
        {
            await foreach (var delta in reflector.RunAsync(stopping))
            {
                Take(ns, delta);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    /// <summary>Brings the snapshot up to date with one change.</summary>
    private void Take(string? ns, Delta<CachedModel> delta)
    {
        lock (_writing)
        {
            switch (delta)
            {
                case Delta<CachedModel>.Replace list:
                    foreach (var gone in _models.Keys.Where(k => ns is null || k.Namespace == ns).ToArray())
                    {
                        _models.Remove(gone);
                    }

                    foreach (var model in list.Items)
                    {
                        _models[model.Key()] = model;
                    }

                    _listed.Add(Name(ns));
                    Log.Listed(logger, list.Items.Count, Name(ns));
                    break;
                case Delta<CachedModel>.Upsert changed:
                    _models[changed.Object.Key()] = changed.Object;
                    break;
                case Delta<CachedModel>.Remove removed:
                    _models.Remove(new(removed.Namespace ?? "", removed.Name));
                    break;
            }

            PublishSoon();
            if (Scopes.All(s => _listed.Contains(Name(s))))
            {
                _synced.TrySetResult();
            }
        }
    }

    /// <summary>
    /// A snapshot costs as much as there are models, and a wake writes its model's status several times: many changes at once share one. At most a tenth of the time
    /// goes into snapshots; of a few models each change is published at once. The cost is the clock's and not the processor's, so on a busy machine it says little: the wait has a bound.
    /// </summary>
    private void PublishSoon()
    {
        var wait = (_cost * 10 < s_longest ? _cost * 10 : s_longest) - time.GetElapsedTime(_published);
        if (_synced.Task.IsCompleted && wait > TimeSpan.FromMilliseconds(2))
        {
            _later ??= time.CreateTimer(static self => ((CatalogWatch)self!).PublishLate(), this, wait, Timeout.InfiniteTimeSpan);
            return;
        }

        Publish();
    }

    private void PublishLate()
    {
        lock (_writing)
        {
            _later?.Dispose();
            _later = null;
            Publish();
        }
    }

    private void Publish()
    {
        var began = time.GetTimestamp();
        _current = new([.. _models.Values]);
        _published = time.GetTimestamp();
        _cost = time.GetElapsedTime(began, _published);
        // The new promise first: whoever wakes and looks again must not find the old, completed one.
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }

    private static string Name(string? ns) => ns ?? "all namespaces";
}
