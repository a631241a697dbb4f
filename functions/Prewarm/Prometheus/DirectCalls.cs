using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Calls that passed no relay, pure. What was counted on the way to a model holds everything: what relays passed on and reported, what we sent ourselves, and those. A count cannot tell one from another, so they are taken off by number:
/// 1. every request that relays reported as ended, and every one of theirs and ours that was no demand, explains one that was counted from a minute before it to two after (a scrape may be a minute late, clocks differ), and as many are explained as can be;
/// 2. what nothing explains came by another way, and is added to the minute that it was counted in, as far as calls can be told in it; 3. where in the minute it came nobody knows: it is spread over it by chance, the same each time for the same model and minute.
/// A report that is lost is thereby made up for. A request that was reported and never got to the gateway can hide one other, within two minutes or while requests follow one another without a pause.
/// </summary>
internal static class DirectCalls
{
    /// <summary>How many minutes after a request's end it may still be counted.</summary>
    private const int After = 2;

    /// <summary>How many minutes before its end it may seem to be counted.</summary>
    private const int Before = 1;

    /// <param name="told">What relays and we have reported, by minute.</param>
    /// <param name="seen">What was counted elsewhere, by minute.</param>
    /// <param name="whole">The first minute whose reports are all still there.</param>
    /// <param name="until">The last minute of which all that was seen is known.</param>
    /// <returns>All minutes, the oldest first.</returns>
    public static List<ArrivalMinute> Join(ModelKey model, SortedList<long, ArrivalMinute> told, SortedList<long, (int Count, int Calls)> seen, long whole, long until = long.MaxValue)
    {
        var joined = new SortedList<long, ArrivalMinute>(told);
        var minutes = seen.Keys.Where(m => m - After >= whole).ToArray();
        int[] counted = [.. minutes.Select(m => seen[m].Count)];
        int[] explains = [.. told.Values.Select(m => m.At <= until ? m.Served + m.Others : 0)];

        // 1: as many as can be explained at all; then, of as many, those that are the most in their own minute.
        var least = Unexplained(minutes, counted, told.Keys, explains);
        for (var i = 0; i < minutes.Length; i++)
        {
            if (told.IndexOfKey(minutes[i]) is >= 0 and var at)
            {
                var same = Math.Min(counted[i], explains[at]);
                (counted[i], explains[at]) = (counted[i] - same, explains[at] - same);
            }
        }

        var left = Unexplained(minutes, counted, told.Keys, explains);
        for (var (begin, end) = (0, 0); begin < minutes.Length; begin = end)
        {
            // Minutes further apart than this have nothing to do with one another.
            for (end = begin + 1; end < minutes.Length && minutes[end] - minutes[end - 1] <= After + Before; end++)
            {
            }

            var more = left[begin..end].Sum() - least[begin..end].Sum();
            for (var i = begin; i < end; i++)
            {
                var explained = Math.Min(more, left[i]);
                more -= explained;

                // 2
                if (Math.Min(left[i] - explained, seen[minutes[i]].Calls) is > 0 and var calls)
                {
                    var direct = Spread(model, minutes[i], calls);
                    joined[minutes[i]] = joined.TryGetValue(minutes[i], out var there) ? there.With(direct) : direct;
                }
            }
        }

        return [.. joined.Values];
    }

    /// <summary>How many of each minute are left when each of those told explains one, the oldest first: no other order explains more.</summary>
    private static int[] Unexplained(long[] minutes, int[] counted, IList<long> told, int[] explains)
    {
        var left = (int[])counted.Clone();
        var (first, used) = (0, 0);
        for (var i = 0; i < minutes.Length; i++)
        {
            for (; first < told.Count && told[first] < minutes[i] - After; first++)
            {
                used = 0;
            }

            while (left[i] > 0 && first < told.Count && told[first] <= minutes[i] + Before)
            {
                var explained = Math.Min(left[i], explains[first] - used);
                (left[i], used) = (left[i] - explained, used + explained);
                if (left[i] > 0)
                {
                    (first, used) = (first + 1, 0);
                }
            }
        }

        return left;
    }

    /// <summary>3: the first of several in the first part of the minute of so many, the last one in the last.</summary>
    internal static ArrivalMinute Spread(ModelKey model, long minute, int count)
    {
        var first = 60 * Chance(model, minute, 0) / count;
        // A millisecond off the end, which belongs to the next minute.
        return new(minute, count, first, count == 1 ? first : Math.Max(first, 60 - (60 * Chance(model, minute, 1) / count) - 0.001), 0, 0);
    }

    /// <summary>Evenly from 0 to below 1 (FNV-1a over the name, then SplitMix64's mix).</summary>
    private static double Chance(ModelKey model, long minute, int which)
    {
        var hash = 14695981039346656037UL;
        foreach (var text in (ReadOnlySpan<string>)[model.Namespace, "/", model.Name])
        {
            foreach (var c in text)
            {
                hash = (hash ^ c) * 1099511628211UL;
            }
        }

        hash += ((ulong)minute * 2) + (ulong)which;
        hash += 0x9E3779B97F4A7C15UL;
        hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9UL;
        hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBUL;
        return ((hash ^ (hash >> 31)) >> 11) * (1.0 / (1UL << 53));
    }
}
