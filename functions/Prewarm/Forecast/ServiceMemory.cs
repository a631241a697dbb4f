namespace Prewarm.Functions.Prewarm;

/// <summary>
/// All that is remembered of one service, under 4 KB: per slot how often a gap ended there of how long it was watched there (the fine grid for all
/// gaps, the coarse one by the class of the gap before and for the last few), the last long gaps, the minutes of the last day and the
/// quarter-hours of the last two weeks in which it was called.
/// </summary>
internal sealed class ServiceMemory
{
    /// <summary>Classes of the gap before: up to a minute, ten minutes, two hours, and longer.</summary>
    public const int Classes = 4;

    /// <summary>Long gaps remembered one by one.</summary>
    public const int LongGaps = 8;

    /// <summary>A gap above this ends a session, seconds.</summary>
    public const double SessionGap = 300;

    public const int Days = 14;

    // Weights of what is remembered fall by these at each new watch of the same slot.
    private const float Keep = 1 - 1f / 200;
    private const float KeepFast = 1 - 1f / 8;
    private static readonly float[] HalfLives = [600, 3600, 21600, 86400];

    public readonly float[] Ends = new float[SlotGrid.Count];
    public readonly float[] Watched = new float[SlotGrid.Count];
    public readonly float[] ClassEnds = new float[Classes * SlotGrid.CoarseCount];
    public readonly float[] ClassWatched = new float[Classes * SlotGrid.CoarseCount];
    public readonly float[] FastEnds = new float[SlotGrid.CoarseCount];
    public readonly float[] FastWatched = new float[SlotGrid.CoarseCount];
    public readonly float[] Long = new float[LongGaps];
    public readonly ulong[] Minutes = new ulong[24];
    public readonly ulong[] Quarters = new ulong[Days * 2];
    public readonly float[] Rates = new float[4];

    /// <summary>Running means: of log gaps, quickly and slowly; of their distance from the slow one; of the logarithm of calls a session.</summary>
    public readonly float[] Means = new float[4];

    /// <summary>What each policy would have cost, for <see cref="PolicyGuard"/>.</summary>
    public readonly float[] Losses = new float[PolicyGuard.WithOwn];

    /// <summary>What the policies that were played have cost, in cold starts and faded as <see cref="Losses"/>; the patience that all of these were measured with.</summary>
    public readonly float[] Guarded = new float[2];

    /// <summary>Measured seconds: of the last loads of the cache, then of the last starts of a pod from it; 0: none yet. What is prepared has to be so much earlier.</summary>
    public readonly float[] Leads = new float[2 * LeadsKept];

    /// <summary>Loads and starts that are remembered of each kind; the 95th percentile of so few is the largest.</summary>
    public const int LeadsKept = 4;
    public double First = double.NaN;
    public double Last = double.NaN;
    public double SessionStart;
    public int Seen;
    public int InSession;
    public int LongSeen;
    public int Sessions;
    public float Gap = float.NaN;
    public float GapBefore = float.NaN;

    /// <summary>The class the next gap is foretold with: <see cref="Classes"/> when there was no gap yet.</summary>
    public int Class => float.IsNaN(Gap) ? Classes : ClassOf(Gap);

    public static int ClassOf(double gap) => gap <= 60 ? 0 : gap <= 600 ? 1 : gap <= 7200 ? 2 : 3;

    public static float HalfLife(int rate) => HalfLives[rate];

    /// <summary>Takes an arrival, in order of time.</summary>
    public void Add(double at)
    {
        if (Seen == 0)
        {
            First = at;
            SessionStart = at;
        }
        else
        {
            var gap = Math.Max(0, at - Last);
            Learn(gap);
            for (var i = 0; i < Rates.Length; i++)
            {
                Rates[i] *= (float)Math.Exp(-gap / HalfLives[i]);
            }

            Average(gap);
            if (gap > SessionGap)
            {
                SessionStart = at;
                InSession = 0;
            }

            if (gap > 60)
            {
                Long[LongSeen++ % LongGaps] = (float)gap;
            }

            GapBefore = Gap;
            Gap = (float)gap;
        }

        for (var i = 0; i < Rates.Length; i++)
        {
            Rates[i]++;
        }

        Mark(at);
        Last = at;
        Seen++;
        InSession++;
    }

    /// <summary>
    /// Of two replicas' memories of one service, what both together know: the numbers of the one that saw more, the times of both as far as that one's last. In either order and
    /// as often as one likes, the result is the same; of three the numbers are too, whichever two come first. Only how long loads and starts took is the first one's, where it has measured any: those come without
    /// calls, so which is newer cannot be told, and whoever joins its own with what it read before gives itself first.
    /// </summary>
    public static ServiceMemory Join(ServiceMemory one, ServiceMemory other)
    {
        var (more, less) = Compare(one, other) >= 0 ? (one, other) : (other, one);
        (Array.Exists(one.Leads, l => l > 0) ? one : other).Leads.CopyTo(more.Leads, 0);
        if (less.Seen == 0)
        {
            return more;
        }

        var hour = (long)Math.Floor(more.Last / 3600);
        var lessHour = (long)Math.Floor(less.Last / 3600);
        for (var h = Math.Max(hour, lessHour) - 23; h <= Math.Min(hour, lessHour); h++)
        {
            more.Minutes[(h % 24 + 24) % 24] |= less.Minutes[(h % 24 + 24) % 24];
        }

        var quarter = (long)Math.Floor(more.Last / 900);
        var lessQuarter = (long)Math.Floor(less.Last / 900);
        for (var q = Math.Max(quarter, lessQuarter) - Days * 96 + 1; q <= Math.Min(quarter, lessQuarter); q++)
        {
            var slot = (int)((q % (Days * 96) + Days * 96) % (Days * 96));
            more.Quarters[slot / 96 * 2 + slot % 96 / 48] |= less.Quarters[slot / 96 * 2 + slot % 96 / 48] & 1UL << (slot % 48);
        }

        more.First = Math.Min(more.First, less.First);
        return more;
    }

    /// <summary>Which of two saw more. Two that saw as many, of which each may have missed another call, are told apart by what they made of it: any order will do that is the same everywhere.</summary>
    private static int Compare(ServiceMemory one, ServiceMemory other)
    {
        var by = (one.Seen, one.Last).CompareTo((other.Seen, other.Last));
        foreach (var (mine, theirs) in (ReadOnlySpan<(float[] Mine, float[] Theirs)>)
            [(one.Ends, other.Ends), (one.Watched, other.Watched), (one.FastEnds, other.FastEnds), (one.FastWatched, other.FastWatched), (one.ClassEnds, other.ClassEnds), (one.ClassWatched, other.ClassWatched),
            (one.Long, other.Long), (one.Rates, other.Rates), (one.Means, other.Means), (one.Losses, other.Losses), (one.Guarded, other.Guarded)])
        {
            by = by != 0 ? by : mine.AsSpan().SequenceCompareTo(theirs);
        }

        return by != 0 ? by : (one.SessionStart, one.InSession, one.Gap, one.GapBefore).CompareTo((other.SessionStart, other.InSession, other.Gap, other.GapBefore));
    }

    /// <summary>Share of the quarter-hours [q-1, q, q+1] with calls, the middle one counting twice.</summary>
    public float Quarter(long quarter) => (Bit(quarter - 1) + 2 * Bit(quarter) + Bit(quarter + 1)) * 0.25f;

    /// <summary>Writes which quarter-hours of a day have calls, a byte for each, eight at a time.</summary>
    /// <param name="day">Days since 1970, of the last two weeks.</param>
    public void Unpack(long day, Span<ulong> into)
    {
        var row = (int)((day % Days + Days) % Days) * 2;
        for (var i = 0; i < 12; i++)
        {
            // Byte j of eight copies keeps bit j, and what is left of it becomes 1.
            var eight = Quarters[row + i / 6] >> (i % 6 * 8) & 0xff;
            into[i] = ((eight * 0x0101010101010101 & 0x8040201008040201) + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101;
        }
    }

    /// <summary>Remembers how long a load took (or, with <paramref name="pod"/>, a pod's start); the oldest is forgotten.</summary>
    public void Took(bool pod, double seconds)
    {
        var kind = Leads.AsSpan(pod ? LeadsKept : 0, LeadsKept);
        kind[1..].CopyTo(kind);
        kind[^1] = (float)Math.Clamp(seconds, 0, Longest(pod));
    }

    /// <summary>The longest of the last loads (or, with <paramref name="pod"/>, starts of a pod), seconds; 0: none was measured.</summary>
    public double Lead(bool pod)
    {
        var most = 0f;
        foreach (var seconds in Leads.AsSpan(pod ? LeadsKept : 0, LeadsKept))
        {
            most = Math.Max(most, seconds);
        }

        return Math.Min(most, Longest(pod));
    }

    // What takes longer was waiting for a person, or for a node, and is no reason to begin so much earlier the next time.
    private static float Longest(bool pod) => pod ? 1800 : 7200;

    private int Bit(long quarter)
    {
        var slot = (int)((quarter % (Days * 96) + Days * 96) % (Days * 96));
        return (int)(Quarters[slot / 96 * 2 + slot % 96 / 48] >> (slot % 48)) & 1;
    }

    // The first of each is taken whole; then by a quarter and a thirty-second.
    private void Average(double gap)
    {
        var log = (float)Math.Log(gap + 5);
        Means[0] += (log - Means[0]) / Math.Min(Seen, 4);
        Means[2] += (Math.Abs(log - Means[1]) - Means[2]) / Math.Clamp(Seen - 1, 1, 32);
        Means[2] = Seen == 1 ? 0 : Means[2];
        Means[1] += (log - Means[1]) / Math.Min(Seen, 32);
        if (gap > SessionGap)
        {
            var size = MathF.Log(InSession);
            Means[3] = Sessions == 0 ? size : Means[3] + (size - Means[3]) / 8;
            Sessions++;
        }
    }

    private void Learn(double gap)
    {
        var end = SlotGrid.Find(gap);
        var whole = Math.Min(end, SlotGrid.Count);
        for (var k = 0; k < whole; k++)
        {
            Watched[k] = Watched[k] * Keep + SlotGrid.Widths[k];
            Ends[k] *= Keep;
        }

        var offset = Class;
        offset = offset == Classes ? -1 : offset * SlotGrid.CoarseCount;
        var coarseEnd = end < SlotGrid.Count ? SlotGrid.Coarse[end] : SlotGrid.CoarseCount;
        for (var c = 0; c < coarseEnd; c++)
        {
            var width = SlotGrid.Edges[SlotGrid.CoarseStart[c + 1]] - SlotGrid.Edges[SlotGrid.CoarseStart[c]];
            FastWatched[c] = FastWatched[c] * KeepFast + width;
            FastEnds[c] *= KeepFast;
            if (offset >= 0)
            {
                ClassWatched[offset + c] = ClassWatched[offset + c] * Keep + width;
                ClassEnds[offset + c] *= Keep;
            }
        }

        if (end == SlotGrid.Count)
        {
            return;
        }

        Watched[end] = Watched[end] * Keep + (float)(gap - SlotGrid.Edges[end]);
        Ends[end] = Ends[end] * Keep + 1;
        var part = (float)(gap - SlotGrid.Edges[SlotGrid.CoarseStart[coarseEnd]]);
        FastWatched[coarseEnd] = FastWatched[coarseEnd] * KeepFast + part;
        FastEnds[coarseEnd] = FastEnds[coarseEnd] * KeepFast + 1;
        if (offset >= 0)
        {
            ClassWatched[offset + coarseEnd] = ClassWatched[offset + coarseEnd] * Keep + part;
            ClassEnds[offset + coarseEnd] = ClassEnds[offset + coarseEnd] * Keep + 1;
        }
    }

    private void Mark(double at)
    {
        var hour = (long)Math.Floor(at / 3600);
        var lastHour = Seen == 0 ? hour - 24 : (long)Math.Floor(Last / 3600);
        for (var h = Math.Max(lastHour + 1, hour - 23); h <= hour; h++)
        {
            Minutes[(h + 24) % 24] = 0;
        }

        Minutes[hour % 24] |= 1UL << (int)(at % 3600 / 60);
        var quarter = (long)Math.Floor(at / 900);
        var lastQuarter = Seen == 0 ? quarter - Days * 96 : (long)Math.Floor(Last / 900);
        for (var q = Math.Max(lastQuarter + 1, quarter - Days * 96 + 1); q <= quarter; q++)
        {
            var slot = (int)((q + Days * 96) % (Days * 96));
            Quarters[slot / 96 * 2 + slot % 96 / 48] &= ~(1UL << (slot % 48));
        }

        var mine = (int)(quarter % (Days * 96));
        Quarters[mine / 96 * 2 + mine % 96 / 48] |= 1UL << (mine % 48);
    }
}
