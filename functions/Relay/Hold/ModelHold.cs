using Prewarm.Functions.Catalog;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Relay;

/// <summary>
/// The requests that wait for one model.
/// <list type="number">
/// <item>The first that must wait starts the one wake; whoever comes later waits behind it.</item>
/// <item>When the wake has passed, they are let go in their order, a few at first, more as answers come.</item>
/// <item>When nobody waits any more, requests pass without stopping and without a lock.</item>
/// <item>One that the model was not ready for takes its old place again, and the model is woken anew.</item>
/// </list>
/// </summary>
internal sealed class ModelHold(ModelKey key, HoldTotals totals, RelayOptions options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<HeldRequest> _queue = new();
    private readonly ColdStartTimes _times = new();
    private volatile HoldState _state;
    private ReleaseRamp _ramp;
    private TaskCompletionSource _turned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _countToEnd;
    private bool _looping;
    private int _flying;
    private long _order;
    private long _wakeBegan;
    private long _answered;
    private ModelScale? _openedAs;
    private int _running;
    private int _firstAwaited;

    public ModelKey Key => key;

    public HoldState State => _state;

    /// <summary>The model as its last request found it.</summary>
    public RelayOutcome.Found? Asked { get; private set; }

    /// <summary>W3C traceparent of the request that the last wake is for; null: it had none.</summary>
    public string? Cause { get; private set; }

    /// <summary>Counts what was forwarded.</summary>
    public Prometheus.ICounter Forwarded { get; } = RelayMetrics.Forwarded(key);

    /// <summary>Which of the readiness paths worked last.</summary>
    public int Protocol { get; set; }

    /// <summary>Where the bytes were when the last start was asked for, in lower case.</summary>
    public string Cache { get; set; } = "unknown";

    public int Waiting
    {
        get
        {
            lock (_lock)
            {
                return _queue.Count;
            }
        }
    }

    /// <summary>Counts a prediction that begins; false: there are as many as there may be.</summary>
    public bool TryBegin(int most)
    {
        if (Interlocked.Increment(ref _running) <= most)
        {
            return true;
        }

        Finished();
        return false;
    }

    public void Finished() => Interlocked.Decrement(ref _running);

    /// <summary>The model has answered: it is up. Costs one write.</summary>
    public void Answered() => Volatile.Write(ref _answered, time.GetTimestamp());

    /// <summary>True, once for each cold start: this answer is the first one after it.</summary>
    public bool IsFirst() => Volatile.Read(ref _firstAwaited) == 1 && Interlocked.Exchange(ref _firstAwaited, 0) == 1;

    /// <summary>True: the request has to go through <see cref="Enter"/>. Takes no lock.</summary>
    public bool MustWait(ModelScale scale)
    {
        var answered = Volatile.Read(ref _answered);
        return HoldPlanner.MustWait(_state, scale.Level, ReferenceEquals(scale, Volatile.Read(ref _openedAs)), answered == 0 ? null : time.GetElapsedTime(answered));
    }

    /// <summary>Lets a request wait, or says why not.</summary>
    /// <param name="seed">A cold start that the status tells of.</param>
    /// <param name="cause">The request's traceparent.</param>
    /// <param name="wake">True: the caller has to run the wake.</param>
    public HoldEntry Enter(RelayOutcome.Found found, ModelScale scale, TimeSpan deadline, long bytes, TimeSpan? seed, string? cause, out bool wake)
    {
        lock (_lock)
        {
            wake = false;
            if (totals.Ending)
            {
                return new HoldEntry.Ending(HoldPlanner.RetryAfter(null, default));
            }

            // 3: it may have opened since it was asked.
            if (!MustWait(scale))
            {
                return HoldEntry.Pass;
            }

            // 1
            Asked = found;
            _times.Seed = seed;
            if (_state == HoldState.Open)
            {
                (_state, _wakeBegan, Cause) = (HoldState.Waking, time.GetTimestamp(), cause);
                wake = Begin();
            }

            var since = time.GetElapsedTime(_wakeBegan);
            if (_state == HoldState.Waking && HoldPlanner.TooLate(deadline, _times.Shortest, since))
            {
                return new HoldEntry.TooLate(_times.Typical!.Value, RetryAfter(since));
            }

            if (totals.TryAdd(_queue.Count, bytes, options) is { } full)
            {
                return new HoldEntry.Full(full, RetryAfter(since));
            }

            var request = new HeldRequest(++_order, bytes);
            request.Place = _queue.AddLast(request);
            RelayMetrics.Held(key, _queue.Count);
            Release();
            return new HoldEntry.Held(request);
        }
    }

    /// <summary>4: the model was not ready for a request that had been let go, or passed.</summary>
    public HeldRequest Return(HeldRequest? request, RelayOutcome.Found found, long bytes, out bool wake)
    {
        lock (_lock)
        {
            Asked = found;
            wake = false;
            if (_state != HoldState.Waking)
            {
                _wakeBegan = _state == HoldState.Open ? time.GetTimestamp() : _wakeBegan;
                _state = HoldState.Waking;
                _turned.TrySetResult();
                wake = Begin();
            }

            Landed(request, answered: false);
            request?.Again();
            request ??= new(0, bytes);
            totals.Add(request.Bytes);
            var after = _queue.First;
            while (after is not null && after.Value.Order <= request.Order)
            {
                after = after.Next;
            }

            request.Place = after is null ? _queue.AddLast(request) : _queue.AddBefore(after, request);
            RelayMetrics.Held(key, _queue.Count);
            if (totals.Ending)
            {
                Drain(ReleaseReason.Ending);
            }

            return request;
        }
    }

    /// <summary>The request waits no longer: its caller is gone or its time is over. False: it had been let go already.</summary>
    public bool Leave(HeldRequest request)
    {
        lock (_lock)
        {
            if (request.Place is null)
            {
                return false;
            }

            Take(request);
            if (_queue.Count == 0 && _state == HoldState.Ramping)
            {
                Open();
            }

            return true;
        }
    }

    /// <summary>The head of the answer to a request that waited has come, or it has failed.</summary>
    public void Landed(HeldRequest? request, bool answered, bool ended = false)
    {
        if (request is null)
        {
            return;
        }

        lock (_lock)
        {
            if (!request.Counted || (answered && _countToEnd && !ended))
            {
                return;
            }

            request.Counted = false;
            _flying--;
            if (answered)
            {
                _ramp.Answered();
            }
            else
            {
                _ramp.Failed();
            }

            Release();
        }
    }

    /// <summary>2: the wake has passed. The time it took counts as a cold start when the model was really asleep.</summary>
    /// <param name="bound">What the ready pods take at once; null: not known.</param>
    /// <returns>Requests that wait now.</returns>
    public int Passed(ModelScale scale, bool cold, int? bound)
    {
        lock (_lock)
        {
            if (cold)
            {
                _times.Add(time.GetElapsedTime(_wakeBegan));
                Volatile.Write(ref _firstAwaited, 1);
            }

            Volatile.Write(ref _answered, time.GetTimestamp());
            Volatile.Write(ref _openedAs, scale);
            _ramp = new(options.RampStart, bound);
            _countToEnd = bound is not null;
            var waiting = _queue.Count;
            (_state, _turned) = (HoldState.Ramping, new(TaskCreationOptions.RunContinuationsAsynchronously));
            Release();
            if (_queue.Count == 0)
            {
                Open();
            }

            return waiting;
        }
    }

    /// <summary>Completes when the ramp is over, one way or the other.</summary>
    public Task Turned
    {
        get
        {
            lock (_lock)
            {
                return _turned.Task;
            }
        }
    }

    /// <summary>The one that runs the wake is done; false: it is wanted again.</summary>
    public bool TryEnd()
    {
        lock (_lock)
        {
            if (_state == HoldState.Waking)
            {
                return false;
            }

            _looping = false;
            return true;
        }
    }

    /// <summary>A second of the ramp went by.</summary>
    /// <param name="bound">What the ready pods take at once now; null: not known.</param>
    public void Calm(int? bound)
    {
        lock (_lock)
        {
            _ramp.Calm(bound);
            _countToEnd = bound is not null;
            Release();
        }
    }

    /// <summary>The wake has been given up; false: somebody waits still, and it goes on.</summary>
    public bool TryGiveUp()
    {
        lock (_lock)
        {
            if (_queue.Count > 0)
            {
                return false;
            }

            Open();
            return true;
        }
    }

    /// <summary>The relay ends: nobody waits any longer.</summary>
    public void End()
    {
        lock (_lock)
        {
            Drain(ReleaseReason.Ending);
        }
    }

    /// <summary>The model is no more: nobody waits any longer, and the wake is over.</summary>
    /// <returns>Requests that waited.</returns>
    public int Deleted()
    {
        lock (_lock)
        {
            var waited = _queue.Count;
            Drain(ReleaseReason.Deleted);
            Open();
            return waited;
        }
    }

    /// <summary>Seconds until the model is expected to be up.</summary>
    public int RetryAfter()
    {
        lock (_lock)
        {
            return RetryAfter(_state == HoldState.Open ? default : time.GetElapsedTime(_wakeBegan));
        }
    }

    private int RetryAfter(TimeSpan since) => HoldPlanner.RetryAfter(_times.Typical, since);

    private void Drain(ReleaseReason why)
    {
        while (_queue.First is { } first)
        {
            Take(first.Value);
            first.Value.Release(why);
        }
    }

    private void Release()
    {
        while (_state == HoldState.Ramping && _flying < _ramp.Window && _queue.First is { } first)
        {
            Take(first.Value);
            first.Value.Counted = true;
            _flying++;
            first.Value.Release(ReleaseReason.Turn);
            if (_queue.Count == 0)
            {
                Open();
            }
        }
    }

    private void Take(HeldRequest request)
    {
        _queue.Remove(request.Place!);
        request.Place = null;
        totals.Remove(request.Bytes);
        RelayMetrics.Held(key, _queue.Count);
    }

    private void Open()
    {
        _state = HoldState.Open;
        _turned.TrySetResult();
    }

    /// <summary>True: nobody runs the wake yet.</summary>
    private bool Begin()
    {
        var first = !_looping;
        _looping = true;
        return first;
    }
}
