namespace Prewarm.Functions.Prewarm;

/// <summary>What all services together tell: the law of the next gap given the class of the gap before, and when in the day sessions begin.</summary>
internal sealed class FleetMemory
{
    private const int Laws = ServiceMemory.Classes + 1;
    private const int Quarters = 7 * 96;
    private readonly double[] ends = new double[Laws * SlotGrid.Count];
    private readonly double[] watched = new double[Laws * SlotGrid.Count];
    private readonly float[] rates = new float[Laws * SlotGrid.Count];
    private readonly float[] logRates = new float[Laws * SlotGrid.Count];
    private readonly float[] quarters = new float[Quarters];
    private readonly float[] busyThen = new float[96];
    private readonly long[] news = new long[Laws];
    private readonly long[] learnt = new long[Laws];
    private long lastQuarter = long.MinValue;
    private long firstQuarter;
    private double recent;
    private double recentAt;
    private double sessions;

    public FleetMemory()
    {
        for (var law = 0; law < Laws; law++)
        {
            Refresh(law);
        }
    }

    /// <summary>Hazard rates per second of the law of a class, by slot.</summary>
    public ReadOnlySpan<float> Rates(int law) => rates.AsSpan(law * SlotGrid.Count, SlotGrid.Count);

    public ReadOnlySpan<float> LogRates(int law) => logRates.AsSpan(law * SlotGrid.Count, SlotGrid.Count);

    /// <summary>Takes a gap that has ended (or, with <paramref name="open"/>, is still watched).</summary>
    /// <param name="seen">Arrivals of the service before it: many count less each.</param>
    public void Learn(int law, double gap, int seen, bool open)
    {
        var weight = 1 / Math.Sqrt(Math.Max(1, seen));
        var end = SlotGrid.Find(gap);
        var row = law * SlotGrid.Count;
        for (var k = 0; k < Math.Min(end, SlotGrid.Count); k++)
        {
            watched[row + k] += weight * SlotGrid.Widths[k];
        }

        if (end < SlotGrid.Count)
        {
            watched[row + end] += weight * (gap - SlotGrid.Edges[end]);
            ends[row + end] += open ? 0 : weight;
        }

        news[law]++;
        learnt[law]++;
        if (news[law] * 16 >= learnt[law])
        {
            Refresh(law);
        }
    }

    /// <summary>How many numbers the laws are.</summary>
    public const int LawNumbers = 2 * Laws * SlotGrid.Count;

    /// <summary>Writes the laws: how often gaps ended in a slot, and how long they were watched there.</summary>
    public void WriteLaws(Span<float> target)
    {
        for (var i = 0; i < ends.Length; i++)
        {
            target[i] = (float)ends[i];
            target[ends.Length + i] = (float)watched[i];
        }
    }

    /// <summary>Reads the laws that <see cref="WriteLaws"/> wrote.</summary>
    public void ReadLaws(ReadOnlySpan<float> source)
    {
        for (var i = 0; i < ends.Length; i++)
        {
            ends[i] = source[i];
            watched[i] = source[ends.Length + i];
        }

        for (var law = 0; law < Laws; law++)
        {
            Refresh(law);
        }
    }

    /// <summary>How many numbers tell when sessions began.</summary>
    public const int TimeNumbers = Quarters + 5;

    /// <summary>Writes when sessions began.</summary>
    public void WriteTimes(Span<double> target)
    {
        for (var i = 0; i < Quarters; i++)
        {
            target[i] = quarters[i];
        }

        ReadOnlySpan<double> rest = [lastQuarter, firstQuarter, recent, recentAt, sessions];
        rest.CopyTo(target[Quarters..]);
    }

    /// <summary>Reads what <see cref="WriteTimes"/> wrote.</summary>
    public void ReadTimes(ReadOnlySpan<double> source)
    {
        for (var i = 0; i < Quarters; i++)
        {
            quarters[i] = (float)source[i];
        }

        (lastQuarter, firstQuarter) = ((long)source[Quarters], (long)source[Quarters + 1]);
        (recent, recentAt, sessions) = (source[Quarters + 2], source[Quarters + 3], source[Quarters + 4]);
        if (lastQuarter != long.MinValue)
        {
            Look();
        }
    }

    /// <summary>Takes the beginning of a session of any service.</summary>
    public void Session(double at)
    {
        var quarter = (long)Math.Floor(at / 900);
        if (lastQuarter == long.MinValue)
        {
            firstQuarter = quarter;
            lastQuarter = quarter;
        }

        for (var q = Math.Max(lastQuarter + 1, quarter - Quarters + 1); q <= quarter; q++)
        {
            quarters[q % Quarters] = 0;
        }

        if (quarter > lastQuarter)
        {
            lastQuarter = quarter;
            Look();
        }

        if (quarter > lastQuarter - Quarters)
        {
            quarters[quarter % Quarters]++;
        }

        // One that is told late counts as if it were now.
        recent = recent * Math.Exp(-Math.Max(0, at - recentAt) / 1800) + 1;
        recentAt = Math.Max(recentAt, at);
        sessions++;
    }

    /// <summary>Natural logarithm of how busy the fleet is now against its mean; 0, so as usual, of a time before the last session's, which is no longer known.</summary>
    public float Busy(double at)
    {
        var age = lastQuarter == long.MinValue ? 0 : at / 900 - firstQuarter;
        return age < 8 || at < recentAt ? 0 : (float)Math.Log((recent * Math.Exp(-(at - recentAt) / 1800) + 1) / (sessions / age * 2 + 1));
    }

    /// <summary>
    /// Natural logarithm of how busy the fleet was at the same time of the days before against its mean, by quarter-hour of the day; from the
    /// quarter-hours that were over at the last session's.
    /// </summary>
    public ReadOnlySpan<float> BusyThen => busyThen;

    private void Look()
    {
        for (var slot = 0; slot < busyThen.Length; slot++)
        {
            var past = lastQuarter - 1 - Modulo(lastQuarter - 1 - slot, 96);
            float sum = 0;
            var days = 0;
            for (; past > Math.Max(firstQuarter, lastQuarter - Quarters + 1) && days < 4; past -= 96, days++)
            {
                sum += quarters[past % Quarters] + 0.5f * (quarters[(past - 1) % Quarters] + (past + 1 < lastQuarter ? quarters[(past + 1) % Quarters] : 0));
            }

            var mean = (float)(sessions / Math.Max(96, lastQuarter - firstQuarter + 1)) * 2 * days;
            busyThen[slot] = days == 0 ? 0 : MathF.Log((sum + 1) / (mean + 1));
        }
    }

    private static long Modulo(long value, long by) => (value % by + by) % by;

    /// <summary>Forgets when things happened, but not the laws: for a prior that comes from another time.</summary>
    public void ForgetTimes()
    {
        Array.Clear(quarters);
        Array.Clear(busyThen);
        lastQuarter = long.MinValue;
        recent = recentAt = sessions = 0;
    }

    // A neutral law to begin with, hazard 0.6 / (t + 30 s), weighs as much as one gap in each neighbourhood.
    private void Refresh(int law)
    {
        news[law] = 0;
        var row = law * SlotGrid.Count;
        Span<double> sumEnds = stackalloc double[SlotGrid.Count + 1];
        Span<double> sumExpected = stackalloc double[SlotGrid.Count + 1];
        for (var k = 0; k < SlotGrid.Count; k++)
        {
            sumEnds[k + 1] = sumEnds[k] + ends[row + k];
            sumExpected[k + 1] = sumExpected[k] + watched[row + k] * Neutral(k);
        }

        for (var k = 0; k < SlotGrid.Count; k++)
        {
            var (low, high) = SlotRanges.Medium[k];
            var ratio = (sumEnds[high] - sumEnds[low] + 1) / (sumExpected[high] - sumExpected[low] + 1);
            rates[row + k] = (float)(Neutral(k) * ratio);
            logRates[row + k] = MathF.Log(rates[row + k]);
        }
    }

    private static double Neutral(int k) => 0.6 / (SlotGrid.Middles[k] + 30);
}
