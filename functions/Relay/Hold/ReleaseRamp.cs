namespace Prewarm.Functions.Relay;

/// <summary>
/// How many of those who waited may be at the model at once: few at first, one more for each answer (so that the number doubles with each round), and double after a second
/// in which nobody was refused, so that slow answers do not hold up the rest. As TCP's slow start (RFC 5681 section 3.1). Not safe for threads.
/// </summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal struct ReleaseRamp
{
    private const int Most = 1 << 16;
    private int _bound;
    private int _window;
    private bool _failed;

    /// <param name="start">Requests at first.</param>
    /// <param name="bound">What the ready pods take at once; null: not known.</param>
    public ReleaseRamp(int start, int? bound)
    {
        _bound = Bound(bound);
        _window = Math.Clamp(start, 1, _bound);
    }

    /// <summary>Requests that may be at the model.</summary>
    public readonly int Window => Math.Max(1, _window);

    /// <summary>A request was answered.</summary>
    public void Answered() => _window = Math.Min(_window + 1, _bound);

    /// <summary>A request was refused or broke: no growth before the next answers.</summary>
    public void Failed()
    {
        _window = Math.Max(1, _window / 2);
        _failed = true;
    }

    /// <summary>A second went by: it doubles, unless a request failed in it.</summary>
    /// <param name="bound">What the ready pods take by now: more of them may have come, or some gone.</param>
    public void Calm(int? bound)
    {
        _bound = Bound(bound);
        _window = (int)Math.Min(_failed ? _window : _window * 2L, _bound);
        _failed = false;
    }

    private static int Bound(int? bound) => bound is > 0 ? bound.Value : Most;
}
