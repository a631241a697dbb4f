using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Catalog;

/// <summary>Keeps the snapshot of all CachedModels fresh: one list and watch per namespace, or one for all.</summary>
internal sealed class CatalogWatch(IKubeApi api, IOptions<CatalogOptions> options, TimeProvider time, ILogger<CatalogWatch> logger)
    : BackgroundService, ICatalog, ICatalogContact
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private readonly Lock _writing = new();
    private readonly Dictionary<ModelKey, CachedModel> _models = [];
    private readonly HashSet<string> _listed = [];
    private readonly ConcurrentDictionary<string, string> _failures = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Random _jitter = new();
    private volatile CatalogSnapshot _current = CatalogSnapshot.Empty;
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CatalogSnapshot Current => _current;
    public Task Synced => _synced.Task;
    public Task NextChange => _changed.Task;
    public string? Failure => _failures.IsEmpty ? null : string.Join("; ", _failures.Select(f => $"{f.Key}: {f.Value}"));

    private IReadOnlyList<string?> Scopes => options.Value.Namespaces is { Count: > 0 } some ? [.. some] : [null];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Scopes.Select(ns => KeepAsync(ns, stoppingToken)));

    private async Task KeepAsync(string? ns, CancellationToken stopping)
    {
        var delay = FirstDelay;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var resourceVersion = await ListAsync(ns, stopping);
                delay = FirstDelay;
                while (true)
                {
                    resourceVersion = await FollowAsync(ns, resourceVersion, stopping);
                    // A server that closes each watch at once must not be hammered.
                    await Task.Delay(FirstDelay * _jitter.NextDouble(), time, stopping);
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (KubeApiException e) when (e.IsGone)
            {
                // 410: the history that we wanted to resume from is compacted; listing again is the normal way on.
            }
            catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException or InvalidDataException or OperationCanceledException)
            {
                _failures[Name(ns)] = e.Message;
                var wait = delay * (0.5 + (_jitter.NextDouble() / 2));
                Log.WatchFailed(logger, Name(ns), wait, e.Message);
                delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, LongestDelay.Ticks));
                try
                {
                    await Task.Delay(wait, time, stopping);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }
    }

    /// <summary>Replaces what is known of a namespace by a fresh list; returns where to watch from.</summary>
    internal async Task<string> ListAsync(string? ns, CancellationToken cancellationToken)
    {
        var list = await api.ListAsync(CatalogKinds.CachedModels, ns, null, cancellationToken);
        bool all;
        lock (_writing)
        {
            foreach (var gone in _models.Keys.Where(k => ns is null || k.Namespace == ns).ToArray())
            {
                _models.Remove(gone);
            }

            foreach (var model in list.Items)
            {
                _models[model.Key()] = model;
            }

            _listed.Add(Name(ns));
            all = Scopes.All(s => _listed.Contains(Name(s)));
            Publish();
        }

        _failures.TryRemove(Name(ns), out _);
        Log.Listed(logger, list.Items.Count, Name(ns));
        if (all)
        {
            _synced.TrySetResult();
        }

        return list.ResourceVersion;
    }

    /// <summary>Follows one watch until the server closes it; returns where to resume.</summary>
    internal async Task<string> FollowAsync(string? ns, string resourceVersion, CancellationToken cancellationToken)
    {
        await foreach (var e in api.WatchAsync(CatalogKinds.CachedModels, ns, null, resourceVersion, cancellationToken))
        {
            resourceVersion = e.ResourceVersion;
            if (e.Type == WatchEventType.Bookmark)
            {
                continue;
            }

            lock (_writing)
            {
                if (e.Type == WatchEventType.Deleted || e.Object is null)
                {
                    _models.Remove(new(e.Namespace ?? "", e.Name));
                }
                else
                {
                    _models[e.Object.Key()] = e.Object;
                }

                Publish();
            }
        }

        return resourceVersion;
    }

    private void Publish()
    {
        _current = new([.. _models.Values]);
        // The new promise first: whoever wakes and looks again must not find the old, completed one.
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.TrySetResult();
    }

    private static string Name(string? ns) => ns ?? "all namespaces";
}
