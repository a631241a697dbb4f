using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Prewarm.Sandbox.Knative;

/// <summary>One pod that answers.</summary>
internal sealed record PodEndpoint(string Pod, Uri Address)
{
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;
    private bool _leaving;

    /// <summary>
    /// Completes when the pod is out of rotation and its last request has ended: until then it serves, also those who were on their way to it already. Really it waits for 30 s without
    /// a request (knative/serving pkg/queue/drain QuietPeriod; the user container's preStop hook waits for the queue-proxy's drain).
    /// </summary>
    public Task Idle => _idle.Task;

    public void Begin() => _running++;

    public void End()
    {
        _running--;
        Settle();
    }

    public void Leave()
    {
        _leaving = true;
        Settle();
    }

    private void Settle()
    {
        if (_leaving && _running == 0)
        {
            _idle.TrySetResult();
        }
    }
}

/// <summary>What the data plane knows of one revision: its ready pods, the requests that wait and run, and when the last one ended.</summary>
internal sealed class RevisionTraffic(TimeProvider time)
{
    /// <summary>Requests that may wait (knative activator, throttler.go).</summary>
    public const int QueueLimit = 10_000;

    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableArray<PodEndpoint> _pods = [];
    private int _running, _waiting, _turn;

    public ImmutableArray<PodEndpoint> Pods => _pods;

    public int Waiting => Volatile.Read(ref _waiting);

    public int Concurrency => Volatile.Read(ref _running) + Volatile.Read(ref _waiting);

    public DateTimeOffset LastActive { get; private set; } = time.GetUtcNow();

    public void Add(PodEndpoint pod)
    {
        lock (_lock)
        {
            _pods = [.. _pods.Where(p => p.Pod != pod.Pod), pod];
            LastActive = time.GetUtcNow();
            _changed.TrySetResult();
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public void Remove(string pod)
    {
        lock (_lock)
        {
            _pods.FirstOrDefault(p => p.Pod == pod)?.Leave();
            _pods = [.. _pods.Where(p => p.Pod != pod)];
        }
    }

    /// <summary>The pod for the next request, at once or when one is ready; null when the queue is full.</summary>
    /// <param name="wake">Called when there is no pod.</param>
    public async Task<PodEndpoint?> PodAsync(Action wake, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _waiting) > QueueLimit)
        {
            Interlocked.Decrement(ref _waiting);
            return null;
        }

        try
        {
            while (true)
            {
                Task changed;
                lock (_lock)
                {
                    if (_pods.Length > 0)
                    {
                        Interlocked.Increment(ref _running);
                        var pod = _pods[(int)((uint)Interlocked.Increment(ref _turn) % (uint)_pods.Length)];
                        pod.Begin();
                        return pod;
                    }

                    changed = _changed.Task;
                }

                wake();
                await changed.WaitAsync(cancellationToken);
            }
        }
        finally
        {
            // Also of one that gave up: it was in the figures of the stable window, which keep the pods that it woke (knative/serving pkg/autoscaler/metrics, stable window).
            LastActive = time.GetUtcNow();
            Interlocked.Decrement(ref _waiting);
        }
    }

    public void Ended(PodEndpoint pod)
    {
        lock (_lock)
        {
            pod.End();
        }

        LastActive = time.GetUtcNow();
        Interlocked.Decrement(ref _running);
    }
}

/// <summary>All revisions of the data plane, by namespace and name.</summary>
internal sealed class RevisionTraffics(TimeProvider time)
{
    private readonly ConcurrentDictionary<(string Namespace, string Name), RevisionTraffic> _all = new();

    public RevisionTraffic Of(string ns, string revision) => _all.GetOrAdd((ns, revision), _ => new(time));

    public IEnumerable<(string Namespace, string Name, RevisionTraffic Traffic)> All => _all.Select(p => (p.Key.Namespace, p.Key.Name, p.Value));

    public void Forget(string ns, string revision) => _all.TryRemove((ns, revision), out _);
}
