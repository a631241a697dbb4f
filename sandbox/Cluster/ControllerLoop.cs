using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>
/// Runs one level-triggered controller: each object of a kind is reconciled after a change of it (or of what points to it) and at every resync,
/// several objects at a time, one object never twice at a time.
/// <list type="number">
/// <item>A change, a resync or <see cref="Enqueue"/> marks a key.</item>
/// <item>A marked key that is not being worked on is read again from the server and reconciled.</item>
/// <item>Marked again meanwhile: once more. Failed: once more after a growing wait.</item>
/// </list>
/// </summary>
/// <param name="log">Takes one line per failed reconcile; conflicts are ordinary and not told.</param>
internal sealed class ControllerLoop(
    IKubeApi api, ResourceType<JsonObject> type, Func<JsonObject, CancellationToken, Task> reconcile, TimeProvider time, Action<string>? log = null)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Namespace, string Name), Key> _keys = [];
    private readonly List<Func<CancellationToken, Task>> _sources = [];
    private TaskCompletionSource? _idle;
    private SemaphoreSlim? _slots;
    private int _working;
    private CancellationToken _stopping;

    /// <value>Every object is reconciled at least so often. Default 5 s.</value>
    public TimeSpan Resync { get; init; } = TimeSpan.FromSeconds(5);

    /// <value>Objects reconciled at the same time. Default 4.</value>
    public int Concurrency { get; init; } = 4;

    /// <value>A change of nothing but the status does not mark the object: for controllers that write that status often.</value>
    public bool IgnoreStatus { get; init; }

    /// <value>Called with the last known state of an object that is gone.</value>
    public Func<JsonObject, CancellationToken, Task>? Deleted { get; init; }

    /// <summary>A change of another kind marks the objects that <paramref name="map"/> names. Before <see cref="RunAsync"/>.</summary>
    public ControllerLoop Also(ResourceType<JsonObject> other, Func<JsonObject, IEnumerable<(string Namespace, string Name)>> map, bool ignoreStatus = false)
    {
        _sources.Add(token => FollowAsync(other, ignoreStatus, (obj, _) =>
        {
            foreach (var (ns, name) in map(obj))
            {
                Enqueue(ns, name);
            }
        }, token));
        return this;
    }

    /// <summary>A change of an object of another kind marks its owners of this kind.</summary>
    public ControllerLoop Owns(ResourceType<JsonObject> other) => Also(other, obj => obj.At("metadata", "ownerReferences").Objects()
        .Where(o => o.Text("kind") == type.Kind && o.Text("apiVersion") == type.ApiVersion).Select(o => (obj.Namespace(), o.Text("name")!)));

    /// <summary>Returns when cancelled and the last reconcile has ended; never throws.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var slots = new SemaphoreSlim(Concurrency);
        (_slots, _stopping) = (slots, cancellationToken);
        var own = FollowAsync(type, IgnoreStatus, (obj, gone) =>
        {
            if (gone is not null && Deleted is { } deleted)
            {
                _ = WorkAsync(() => deleted(obj, cancellationToken), obj.Namespace(), obj.Name());
            }

            Enqueue(obj.Namespace(), obj.Name());
        }, cancellationToken);
        await Task.WhenAll([own, ResyncAsync(cancellationToken), .. _sources.Select(s => s(cancellationToken))]);
        Task idle;
        lock (_gate)
        {
            idle = _working == 0 ? Task.CompletedTask : (_idle = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        await idle;
    }

    /// <summary>Marks an object, at once or after a while.</summary>
    public void Enqueue(string ns, string name, TimeSpan after = default)
    {
        if (_slots is null || _stopping.IsCancellationRequested)
        {
            return;
        }

        if (after > TimeSpan.Zero)
        {
            _ = LaterAsync();
            return;
        }

        lock (_gate)
        {
            if (!_keys.TryGetValue((ns, name), out var key))
            {
                _keys[(ns, name)] = key = new();
            }

            key.Marked = true;
            if (!key.Working)
            {
                key.Working = true;
                _ = ProcessAsync(ns, name, key);
            }
        }

        async Task LaterAsync()
        {
            await Task.Delay(after, time, _stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Enqueue(ns, name);
        }
    }

    private Task ProcessAsync(string ns, string name, Key key) => WorkAsync(async () =>
    {
        while (true)
        {
            lock (_gate)
            {
                if (!key.Marked || _stopping.IsCancellationRequested)
                {
                    key.Working = false;
                    if (key.Gone)
                    {
                        _keys.Remove((ns, name));
                    }

                    return;
                }

                key.Marked = false;
            }

            try
            {
                var fresh = await api.GetAsync(type, type.Namespaced ? ns : null, name, _stopping);
                key.Gone = fresh is null;
                if (fresh is not null)
                {
                    await reconcile(fresh, _stopping);
                }

                key.Failures = 0;
            }
            catch (Exception e) when (!_stopping.IsCancellationRequested)
            {
                key.Failures++;
                if (e is not KubeApiException { IsConflict: true })
                {
                    Tell($"{ns}/{name}", e);
                }

                Enqueue(ns, name, TimeSpan.FromMilliseconds(Math.Min(5000, 25 << Math.Min(key.Failures, 8))));
            }
            catch (Exception)
            {
                // Stopping: whatever it was, it is over.
            }
        }
    }, ns, name);

    // Counts what runs, so that the loop ends after its last reconcile.
    private async Task WorkAsync(Func<Task> work, string ns, string name)
    {
        lock (_gate)
        {
            _working++;
        }

        try
        {
            await Task.Yield();
            await _slots!.WaitAsync(CancellationToken.None);
            try
            {
                await work();
            }
            finally
            {
                _slots.Release();
            }
        }
        catch (Exception e)
        {
            Tell($"{ns}/{name}", e);
        }
        finally
        {
            lock (_gate)
            {
                if (--_working == 0)
                {
                    _idle?.TrySetResult();
                }
            }
        }
    }

    private async Task ResyncAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(Resync, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            List<(string, string)> all;
            lock (_gate)
            {
                all = [.. _keys.Keys];
            }

            all.ForEach(k => Enqueue(k.Item1, k.Item2));
        }
    }

    private async Task FollowAsync(ResourceType<JsonObject> kind, bool ignoreStatus, Action<JsonObject, JsonObject?> changed, CancellationToken cancellationToken)
    {
        var known = new Dictionary<(string, string), JsonObject>();
        var reflector = new Reflector<JsonObject>(api, kind, null, null, time, new Random(kind.Plural.Length),
            new() { FirstDelay = TimeSpan.FromMilliseconds(200), LongestDelay = TimeSpan.FromSeconds(3) });
        void See(JsonObject obj)
        {
            var key = (obj.Namespace(), obj.Name());
            var same = ignoreStatus && known.TryGetValue(key, out var old) && Substance(old) == Substance(obj);
            known[key] = obj;
            if (!same)
            {
                changed(obj, null);
            }
        }

        void Lose((string, string) key, JsonObject? last)
        {
            if (known.Remove(key, out var old) | last is not null)
            {
                changed(last ?? old!, last ?? old);
            }
        }

        try
        {
            await foreach (var delta in reflector.RunAsync(cancellationToken))
            {
                switch (delta)
                {
                    case Delta<JsonObject>.Replace all:
                        var present = all.Items.Select(o => (o.Namespace(), o.Name())).ToHashSet();
                        known.Keys.Where(k => !present.Contains(k)).ToList().ForEach(k => Lose(k, null));
                        foreach (var obj in all.Items)
                        {
                            See(obj);
                        }

                        break;
                    case Delta<JsonObject>.Upsert one:
                        See(one.Object);
                        break;
                    case Delta<JsonObject>.Remove gone:
                        Lose((gone.Namespace ?? "", gone.Name), gone.Object);
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the loop.
        }
        catch (Exception e)
        {
            Tell(kind.Plural, e);
        }
    }

    // All but the status and what every write moves.
    private static string Substance(JsonObject obj)
    {
        var copy = obj.DeepClone().AsObject();
        copy.Remove("status");
        if (copy["metadata"] is JsonObject meta)
        {
            meta.Remove("resourceVersion");
            meta.Remove("managedFields");
        }

        return copy.ToJsonString();
    }

    private void Tell(string what, Exception e) => log?.Invoke($"{type.Kind} {what}: {e.GetType().Name}: {e.Message}");

    private sealed class Key
    {
        public bool Marked { get; set; }
        public bool Working { get; set; }
        public bool Gone { get; set; }
        public int Failures { get; set; }
    }
}
