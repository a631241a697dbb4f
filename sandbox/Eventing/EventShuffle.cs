namespace Prewarm.Sandbox.Eventing;

/// <summary>Holds actions back and lets them go in random order, as <see cref="EventFaults.ShuffleWindow"/> asks; without a window they go at once.</summary>
internal sealed class EventShuffle(EventFaults faults, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<Action> _held = [];
    private int _round;

    public int Held
    {
        get
        {
            lock (_gate)
            {
                return _held.Count;
            }
        }
    }

    public void Add(Action action)
    {
        Action? go = null;
        lock (_gate)
        {
            if (faults.ShuffleWindow <= 1 && _held.Count == 0)
            {
                go = action;
            }
            else
            {
                _held.Add(action);
                if (_held.Count > faults.ShuffleWindow)
                {
                    go = Take();
                }
                else if (_held.Count == 1)
                {
                    _ = EmptyAsync(++_round);
                }
            }
        }

        go?.Invoke();
    }

    // An event must not wait for others that never come.
    private async Task EmptyAsync(int round)
    {
        await Task.Delay(faults.ShuffleHold, time, CancellationToken.None);
        while (true)
        {
            Action go;
            lock (_gate)
            {
                if (_held.Count == 0 || round != _round)
                {
                    return;
                }

                go = Take();
            }

            go();
        }
    }

    private Action Take()
    {
        var at = faults.Pick(_held.Count);
        var action = _held[at];
        _held.RemoveAt(at);
        return action;
    }
}
