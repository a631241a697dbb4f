namespace Prewarm.Sandbox.Gateway;

/// <summary>What came through the gateway, counted there.</summary>
internal sealed class GatewayTally
{
    private int _requests, _wakes, _predictions;

    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Requests that the relay marks as its own.</summary>
    public int Wakes => Volatile.Read(ref _wakes);

    /// <summary>Everything else that is not a GET.</summary>
    public int Predictions => Volatile.Read(ref _predictions);

    public void Count(string method, bool wake)
    {
        Interlocked.Increment(ref _requests);
        if (wake)
        {
            Interlocked.Increment(ref _wakes);
        }
        else if (method != "GET")
        {
            Interlocked.Increment(ref _predictions);
        }
    }
}
