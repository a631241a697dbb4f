namespace Prewarm.Sandbox.Eventing;

/// <summary>Bounds of the miniature Knative Eventing, and what it does wrong on purpose.</summary>
internal sealed record EventingOptions
{
    /// <value>The <c>source</c> of ApiServerSource events: the API server's address as the adapter's own configuration names it.</value>
    public string ApiServer { get; init; } = "https://10.96.0.1:443";

    /// <value>Largest event that a broker takes, bytes of the HTTP body. Default 1 MiB. The real in-memory broker has no bound of its own.</value>
    public int MaxEventBytes { get; init; } = 1024 * 1024;

    /// <value>Deliveries that one broker holds, waiting or under way; beyond it the ingress answers 503 and takes nothing. Default 10 000.</value>
    public int QueueSize { get; init; } = 10_000;

    /// <value>Requests under way to one trigger's subscriber. Default 50.</value>
    public int InFlightPerTrigger { get; init; } = 50;

    /// <value>Limit of one request when the delivery names no timeout. Default 60 s. The real sender waits without end.</value>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <value>
    /// A ping is sent up to so much after its time, at random, so that not all go out at once
    /// (knative/eventing <c>pkg/adapter/mtping/runner.go</c>, cronTick). Default 500 ms.
    /// </value>
    public TimeSpan PingJitter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <value>Seed of the jitter.</value>
    public int Seed { get; init; } = 1;

    public EventFaults Faults { get; init; } = new();

    /// <summary>Takes one line for each event that is lost and each reconcile that failed.</summary>
    public Action<string> Log { get; init; } = static _ => { };
}
