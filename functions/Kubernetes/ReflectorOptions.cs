namespace Prewarm.Functions.Kubernetes;

/// <summary>How a <see cref="Reflector{T}"/> waits after failures.</summary>
internal sealed record ReflectorOptions
{
    /// <value>Wait after the first failure, before jitter. Default 0.8 s, client-go's.</value>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromMilliseconds(800);

    /// <value>Longest wait, before jitter; a server's Retry-After may ask for more. Default 30 s.</value>
    public TimeSpan LongestDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <value>A watch that ends sooner than this without an event counts as a failure, or it would spin. Default 1 s.</value>
    public TimeSpan ShortestWatch { get; init; } = TimeSpan.FromSeconds(1);

    /// <value>After so many failures in a row the resourceVersion itself is doubted and everything is listed again. Default 4.</value>
    public int FailuresBeforeRelist { get; init; } = 4;

    /// <summary>Exponential with full upper-half jitter: between half of the nominal delay and all of it.</summary>
    /// <param name="failures">Failures in a row, from 1.</param>
    /// <param name="jitter">From 0 to 1.</param>
    /// <param name="retryAfter">The server's own wish: a lower bound.</param>
    public TimeSpan Delay(int failures, double jitter, TimeSpan? retryAfter)
    {
        var nominal = Math.Min(FirstDelay.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30)), LongestDelay.TotalSeconds);
        var delay = TimeSpan.FromSeconds(nominal * (0.5 + jitter / 2));
        return retryAfter > delay ? retryAfter.Value : delay;
    }
}
