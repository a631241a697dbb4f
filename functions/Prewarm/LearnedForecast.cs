namespace Prewarm.Functions.Prewarm;

/// <summary>Forecasts for a fleet, arrival by arrival, and learns from each; goes on with the prior's fleet memory as its own.</summary>
internal sealed class LearnedForecast
{
    // A tenth of the rate that training begins with; a step every so many gaps.
    private const float OnlineRate = 0.0003f;
    private const int GapsPerStep = 16;
    private const double ShortGap = 10;
    private const int ShortGapsPerLesson = 4;
    private readonly FleetMemory fleet;
    private readonly HazardNetwork[] networks;
    private readonly float[] one = new float[SlotGrid.Count];
    private readonly float youngRate;
    private int learnt;
    private readonly ServiceMemory[] memories;
    private readonly float[] whole;
    private readonly GapFeatures features = new();

    /// <param name="services">How many services there are to <see cref="Arrive"/>.</param>
    /// <param name="prior">Its fleet memory is gone on with.</param>
    public LearnedForecast(int services, ForecastPrior prior)
    {
        fleet = prior.Fleet;
        youngRate = prior.YoungRate;
        networks = [.. prior.Networks.Select(n => new HazardNetwork(n))];
        memories = [.. Enumerable.Range(0, services).Select(_ => new ServiceMemory())];
        whole = new float[services * GapFeatures.PerGap];
    }

    /// <summary>Takes a call of a service that is forecast elsewhere: it tells how busy the fleet is, and nothing else.</summary>
    /// <param name="gap">Seconds since its last one; infinity for its first.</param>
    public void Hear(double gap, double at)
    {
        if (gap > ServiceMemory.SessionGap)
        {
            fleet.Session(at);
        }
    }

    /// <summary>Takes an arrival and writes the log hazard rates (per second) of the gap that begins.</summary>
    public void Arrive(int service, double at, Span<float> logRates)
    {
        var memory = memories[service];
        if (memory.Seen > 0)
        {
            Learn(service, memory, at - memory.Last);
            fleet.Learn(memory.Class, at - memory.Last, memory.Seen, open: false);
        }

        Hear(memory.Seen == 0 ? double.PositiveInfinity : at - memory.Last, at);
        memory.Add(at);
        Forecast(memory, at, logRates);
        features.Whole.CopyTo(whole.AsSpan(service * GapFeatures.PerGap));
    }

    /// <summary>Writes the log hazard rates (per second) of the gap that begins at <paramref name="at"/>, from what is known then.</summary>
    public void Forecast(ServiceMemory memory, double at, Span<float> logRates)
    {
        features.Fill(memory, fleet, at);
        HazardNetwork.Forecast(networks, features, logRates);
    }

    // The gap that has just ended, seen from its beginning: the service's memory is still as it was then.
    private void Learn(int service, ServiceMemory memory, double gap)
    {
        // Of the short gaps of a burst, which tell much the same, one in four is learnt from, for all four.
        if (gap < ShortGap && memory.Seen % ShortGapsPerLesson != 0)
        {
            return;
        }

        var end = SlotGrid.Find(gap);
        var slots = Math.Min(end + 1, SlotGrid.Count);
        features.FillSlots(memory, fleet, memory.Last, slots);
        whole.AsSpan(service * GapFeatures.PerGap, GapFeatures.PerGap).CopyTo(features.Whole);
        var last = end < SlotGrid.Count ? (float)(gap - SlotGrid.Edges[end]) : SlotGrid.Widths[^1];
        var step = ++learnt % GapsPerStep == 0;
        foreach (var network in networks)
        {
            network.Learn(features.Base, features.Slots, SlotGrid.Count, features.Whole, slots, last, end < SlotGrid.Count, gap < ShortGap ? ShortGapsPerLesson : 1, one);
            if (step)
            {
                network.Step(MathF.Max(OnlineRate, youngRate / MathF.Sqrt(1 + learnt / 16000f)), 0);
            }
        }
    }
}
