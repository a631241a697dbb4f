namespace Prewarm.Functions.Prewarm;

/// <summary>Forecasts for a fleet, arrival by arrival, and learns from each; goes on with the prior's fleet memory as its own.</summary>
internal sealed class LearnedForecast
{
    // A thirtieth of the rate that training begins with; a step every so many gaps. Three times as much forecasts a tenth too many calls: most forecasts are made within a
    // burst, when the networks have just learned from its short gaps.
    private const float OnlineRate = 0.0001f;
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

    /// <summary>What it has learned so far: its own, so only to be written down.</summary>
    public ForecastPrior Prior => new(fleet, networks) { YoungRate = youngRate };

    /// <summary>Gaps that it has learned from; what goes on with a prior that learned before goes on from there.</summary>
    public int Learnt { get => learnt; init => learnt = value; }

    /// <summary>Takes a call of a service that is forecast elsewhere: it tells how busy the fleet is, and nothing else.</summary>
    /// <param name="gap">Seconds since its last one; infinity for its first.</param>
    public void Hear(double gap, double at)
    {
        if (gap > ServiceMemory.SessionGap)
        {
            fleet.Session(at);
        }
    }

    /// <summary>Takes an arrival of one of its own services and writes the log hazard rates (per second) of the gap that begins.</summary>
    public void Arrive(int service, double at, Span<float> logRates) =>
        Arrive(memories[service], whole.AsSpan(service * GapFeatures.PerGap, GapFeatures.PerGap), at, logRates);

    /// <summary>Takes an arrival of a service whose memory is kept elsewhere and writes the log hazard rates (per second) of the gap that begins.</summary>
    /// <param name="memory">As it stood since the last arrival; takes this one.</param>
    /// <param name="numbers">The gap's own numbers, <see cref="GapFeatures.PerGap"/>, as the last arrival left them; zeros: they are not known, so this gap teaches the networks nothing. Those of the gap that begins are written.</param>
    public void Arrive(ServiceMemory memory, Span<float> numbers, double at, Span<float> logRates)
    {
        if (memory.Seen > 0)
        {
            if (Known(numbers))
            {
                Learn(memory, numbers, at - memory.Last);
            }

            fleet.Learn(memory.Class, at - memory.Last, memory.Seen, open: false);
        }

        Hear(memory.Seen == 0 ? double.PositiveInfinity : at - memory.Last, at);
        memory.Add(at);
        Forecast(memory, at, logRates);
        features.Whole.CopyTo(numbers);
    }

    /// <summary>Writes the log hazard rates (per second) of the gap that begins at <paramref name="at"/>, from what is known then.</summary>
    public void Forecast(ServiceMemory memory, double at, Span<float> logRates)
    {
        features.Fill(memory, fleet, at);
        HazardNetwork.Forecast(networks, features, logRates);
    }

    /// <summary>Writes the log hazard rates (per second) of the gap that began at the memory's last arrival, however long ago.</summary>
    /// <param name="numbers">The gap's own numbers as <see cref="Arrive(ServiceMemory, Span{float}, double, Span{float})"/> left them; zeros: they are not known, and made anew.</param>
    public void Forecast(ServiceMemory memory, ReadOnlySpan<float> numbers, Span<float> logRates)
    {
        features.Fill(memory, fleet, memory.Last);
        if (Known(numbers))
        {
            numbers.CopyTo(features.Whole);
        }

        HazardNetwork.Forecast(networks, features, logRates);
    }

    // The first is the logarithm of one more than the arrivals seen.
    private static bool Known(ReadOnlySpan<float> numbers) => numbers[0] > 0;

    // The gap that has just ended, seen from its beginning: the service's memory is still as it was then.
    private void Learn(ServiceMemory memory, ReadOnlySpan<float> numbers, double gap)
    {
        // Of the short gaps of a burst, which tell much the same, one in four is learnt from, for all four.
        if (gap < ShortGap && memory.Seen % ShortGapsPerLesson != 0)
        {
            return;
        }

        var end = SlotGrid.Find(gap);
        var slots = Math.Min(end + 1, SlotGrid.Count);
        features.FillSlots(memory, fleet, memory.Last, slots);
        numbers.CopyTo(features.Whole);
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
