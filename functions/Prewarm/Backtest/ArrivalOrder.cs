namespace Prewarm.Functions.Prewarm;

/// <summary>The arrivals of all services in order of time, as a cluster sees them; at equal times by position.</summary>
internal sealed class ArrivalOrder
{
    private readonly PriorityQueue<int, (double At, int Service)> next = new();
    private readonly int[] position;
    private readonly IReadOnlyList<ServiceTrace> services;

    public ArrivalOrder(IReadOnlyList<ServiceTrace> services)
    {
        this.services = services;
        position = new int[services.Count];
        for (var s = 0; s < services.Count; s++)
        {
            if (services[s].Arrivals.Length > 0)
            {
                next.Enqueue(s, (services[s].Arrivals[0], s));
            }
        }
    }

    /// <summary>The next arrival, with its index in the service; false at the end.</summary>
    public bool Next(out int service, out int index, out double at)
    {
        if (!next.TryPeek(out service, out _))
        {
            index = 0;
            at = 0;
            return false;
        }

        var arrivals = services[service].Arrivals;
        index = position[service]++;
        at = arrivals[index];
        if (index + 1 < arrivals.Length)
        {
            next.DequeueEnqueue(service, (arrivals[index + 1], service));
        }
        else
        {
            next.Dequeue();
        }

        return true;
    }
}
