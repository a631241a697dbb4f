namespace Prewarm.Sandbox.Gateway;

/// <summary>What a mesh may do to a request; all off unless set.</summary>
internal sealed class MeshFaults
{
    private readonly Random _random = new(41);

    /// <summary>Share of answers that become a 503 after the pod has worked (0 to 1).</summary>
    public double Pod503 { get; set; }

    /// <summary>Share of requests that the gateway answers 504 while the pod goes on (0 to 1).</summary>
    public double Gateway504 { get; set; }

    /// <summary>Share of answers that break off after their first bytes (0 to 1).</summary>
    public double Reset { get; set; }

    /// <summary>Share of requests that find the activator's queue full (0 to 1).</summary>
    public double QueueFull { get; set; }

    /// <summary>Share of predictions that find the model server up before its model (0 to 1); it answers as KServe does, and the model does nothing.</summary>
    public double NotReady { get; set; }

    /// <summary>How often a 503 is tried again (Istio's default is 2).</summary>
    public int Retries { get; set; } = 2;

    public bool Roll(double share)
    {
        if (share <= 0)
        {
            return false;
        }

        lock (_random)
        {
            return _random.NextDouble() < share;
        }
    }

    /// <summary>A number from 0 to 99, for the split of traffic.</summary>
    public int Percent()
    {
        lock (_random)
        {
            return _random.Next(100);
        }
    }
}
