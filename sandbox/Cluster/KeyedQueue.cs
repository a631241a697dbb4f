using System.Collections.Concurrent;

namespace Prewarm.Sandbox.Cluster;

/// <summary>Level-triggered work: one run at a time for a key, keys side by side; what is added while a key runs makes it run once more; a failure is tried again later.</summary>
internal sealed class KeyedQueue<TKey>(Func<TKey, CancellationToken, Task> work, Action<string> log, TimeProvider time, CancellationToken cancellationToken)
    where TKey : notnull
{
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<TKey, bool> _dirty = new();

    public void Add(TKey key)
    {
        // Present = a run goes on; true = it has to run again.
        if (_dirty.AddOrUpdate(key, false, (_, _) => true) == false && !cancellationToken.IsCancellationRequested)
        {
            _ = Task.Run(() => RunAsync(key), cancellationToken);
        }
    }

    private async Task RunAsync(TKey key)
    {
        var pause = TimeSpan.FromMilliseconds(50);
        while (!cancellationToken.IsCancellationRequested)
        {
            _dirty[key] = false;
            try
            {
                await work(key, cancellationToken);
                pause = TimeSpan.FromMilliseconds(50);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                log($"{key}: {e.Message}");
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = pause * 2 < MaxPause ? pause * 2 : MaxPause;
                continue;
            }
            catch (OperationCanceledException)
            {
                return;
            }

            if (_dirty.TryRemove(KeyValuePair.Create(key, false)))
            {
                return;
            }
        }
    }
}
