using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Sandbox.Cluster;

/// <summary>Runs one level-triggered controller: all objects of a kind, one at a time, after each change and each second.</summary>
internal sealed class ControllerLoop(IKubeApi api, ResourceType<JsonObject> type, Func<JsonObject, CancellationToken, Task> reconcile, TimeProvider time)
{
    private static readonly TimeSpan Resync = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim _changed = new(0);
    private readonly Dictionary<string, (int Failures, DateTimeOffset Next)> _backoff = [];

    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(WatchAsync(cancellationToken), WorkAsync(cancellationToken));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                foreach (var obj in (await api.ListAsync(type, null, null, cancellationToken)).Items)
                {
                    await OneAsync(obj, cancellationToken);
                }
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                // The API server is away: the next pass lists again.
            }
            catch (OperationCanceledException)
            {
                return;
            }

            using var pass = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(_changed.WaitAsync(pass.Token), Task.Delay(Resync, time, pass.Token));
            await pass.CancelAsync();
            while (_changed.Wait(0, CancellationToken.None))
            {
            }
        }
    }

    private async Task OneAsync(JsonObject obj, CancellationToken cancellationToken)
    {
        var key = $"{obj.Namespace()}/{obj.Name()}";
        if (_backoff.TryGetValue(key, out var held) && held.Next > time.GetUtcNow())
        {
            return;
        }

        try
        {
            // Read again: an earlier object of the same pass may have changed this one.
            if (await api.GetAsync(type, type.Namespaced ? obj.Namespace() : null, obj.Name(), cancellationToken) is { } fresh)
            {
                await reconcile(fresh, cancellationToken);
            }

            _backoff.Remove(key);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            var failures = held.Failures + 1;
            _backoff[key] = (failures, time.GetUtcNow() + TimeSpan.FromMilliseconds(Math.Min(5000, 50 << Math.Min(failures, 7))));
        }
    }

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var version = (await api.ListAsync(type, null, null, cancellationToken)).ResourceVersion;
                await foreach (var change in api.WatchAsync(type, null, null, version, cancellationToken))
                {
                    if (change.Type != WatchEventType.Bookmark && _changed.CurrentCount == 0)
                    {
                        _changed.Release();
                    }
                }
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(Resync, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
