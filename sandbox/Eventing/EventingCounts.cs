namespace Prewarm.Sandbox.Eventing;

/// <summary>What the brokers did since the start; an event counts once per trigger that it was delivered for.</summary>
internal sealed class EventingCounts
{
    private long _accepted, _refused, _dropped, _delivered, _retries, _deadLettered, _lost;

    /// <summary>Events taken by an ingress, replies included.</summary>
    public long Accepted => Interlocked.Read(ref _accepted);

    /// <summary>Events refused because a broker was full.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Events dropped on purpose.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public long Delivered => Interlocked.Read(ref _delivered);

    /// <summary>Requests beyond the first of a delivery.</summary>
    public long Retries => Interlocked.Read(ref _retries);

    public long DeadLettered => Interlocked.Read(ref _deadLettered);

    /// <summary>Deliveries given up without a dead letter.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    public void AddAccepted() => Interlocked.Increment(ref _accepted);

    public void AddRefused() => Interlocked.Increment(ref _refused);

    public void AddDropped() => Interlocked.Increment(ref _dropped);

    public void AddDelivered() => Interlocked.Increment(ref _delivered);

    public void AddRetries(int count) => Interlocked.Add(ref _retries, count);

    public void AddDeadLettered() => Interlocked.Increment(ref _deadLettered);

    public void AddLost() => Interlocked.Increment(ref _lost);
}
