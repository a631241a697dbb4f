namespace Prewarm.Functions.Prewarm;

/// <summary>Forecasts for a fleet, arrival by arrival, and learns from each; goes on with the prior's fleet memory as its own.</summary>
internal sealed class LearnedForecast
{
    // A tenth of the rate that training begins with; a step every so many gaps.
    private const float OnlineRate = 0.0003f;
    private const int GapsPerStep = 16;
    private readonly FleetMemory fleet;
    private readonly HazardNetwork[] networks;
    private readonly float[] one = new float[SlotGrid.Count];
    private int learnt;
    private readonly ServiceMemory[] memories;
    private readonly GapFeatures features = new();

    public LearnedForecast(int services, ForecastPrior prior)
    {
        fleet = prior.Fleet;
        networks = [.. prior.Networks.Select(n => new HazardNetwork(n))];
        memories = [.. Enumerable.Range(0, services).Select(_ => new ServiceMemory())];
    }

    /// <summary>Takes an arrival and writes the log hazard rates (per second) of the gap that begins.</summary>
    public void Arrive(int service, double at, Span<float> logRates)
    {
        var memory = memories[service];
        if (memory.Seen > 0)
        {
            Learn(memory, at - memory.Last);
            fleet.Learn(memory.Class, at - memory.Last, memory.Seen, open: false);
        }

        if (memory.Seen == 0 || at - memory.Last > ServiceMemory.SessionGap)
        {
            fleet.Session(at);
        }

        memory.Add(at);
        Forecast(memory, at, logRates);
    }

    /// <summary>Writes the log hazard rates (per second) of the gap that begins at <paramref name="at"/>, from what is known then.</summary>
    public void Forecast(ServiceMemory memory, double at, Span<float> logRates)
    {
        features.Fill(memory, fleet, at);
        HazardNetwork.Forecast(networks, features, logRates);
    }

    // The gap that has just ended, seen from its beginning: the service's memory is still as it was then.
    private void Learn(ServiceMemory memory, double gap)
    {
        features.Fill(memory, fleet, memory.Last);
        var end = SlotGrid.Find(gap);
        var slots = Math.Min(end + 1, SlotGrid.Count);
        var last = end < SlotGrid.Count ? (float)(gap - SlotGrid.Edges[end]) : SlotGrid.Widths[^1];
        var step = ++learnt % GapsPerStep == 0;
        foreach (var network in networks)
        {
            network.Learn(features.Base, features.Slots, SlotGrid.Count, features.Whole, slots, last, end < SlotGrid.Count, 1, one);
            if (step)
            {
                network.Step(OnlineRate, 0);
            }
        }
    }
}
