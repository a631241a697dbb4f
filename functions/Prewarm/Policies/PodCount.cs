namespace Prewarm.Functions.Prewarm;

/// <summary>How many are needed, by Little's law: in service at once = arrivals per second × seconds each.</summary>
internal static class PodCount
{
    /// <summary>Pods for a forecast rate: enough that none has more than its target concurrency, at least one, within max-scale.</summary>
    /// <param name="perSecond">Forecast arrivals per second.</param>
    /// <param name="serviceSeconds">Measured seconds of one request.</param>
    /// <param name="concurrency">Requests that one pod is to serve at once; above 0.</param>
    /// <param name="maxScale">0 = no limit, as Knative's.</param>
    public static int Pods(double perSecond, double serviceSeconds, double concurrency, int maxScale) =>
        Within(perSecond * serviceSeconds / concurrency, maxScale);

    /// <summary>Cache workers so that pods that load at once are not held up by one node's bandwidth.</summary>
    /// <param name="gigabytes">What is to be read at once, all pods together.</param>
    /// <param name="seconds">In how long.</param>
    /// <param name="workerGbyteS">What one worker gives, GB/s; above 0.</param>
    public static int CacheWorkers(double gigabytes, double seconds, double workerGbyteS, int most) => Within(gigabytes / seconds / workerGbyteS, most);

    private static int Within(double wanted, int most)
    {
        // What was computed as 3.0000000001 is 3.
        var whole = double.IsNaN(wanted) ? 1 : Math.Clamp(Math.Ceiling(wanted - 1e-6), 1, int.MaxValue);
        return (int)Math.Min(whole, most > 0 ? most : int.MaxValue);
    }
}
