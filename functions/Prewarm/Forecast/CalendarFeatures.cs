using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What clock and calendar say about the next gap, slot by slot, as the service has been called before: its minute of the hour over the last day; its quarter of the day over the last week, in the newest day that has
/// it, and a week before; and the fleet's quarter of the day.
/// </summary>
internal sealed class CalendarFeatures
{
    private const int N = SlotGrid.Count;

    // Today, the eight days before, and the day after, which is still that of two weeks ago.
    private const int UnpackedDays = 10;

    private static readonly float[] MinuteOfHour = [.. SlotGrid.Middles.Select(m => m / 60 % 60)];

    private readonly int[] phases = new int[60];
    private readonly float[] phaseLog = new float[60];
    private readonly ulong[] unpacked = new ulong[UnpackedDays * 12];
    private readonly float[] profileLog = new float[96];
    private readonly float[] day = new float[96];

    /// <summary>Fills rows 7 to 11 of <see cref="GapFeatures.Slots"/> for the first <paramref name="reach"/> slots.</summary>
    public void Fill(ServiceMemory memory, FleetMemory fleet, double now, float[] rows, int reach)
    {
        // Minute of the hour, over the last day.
        Array.Clear(phases);
        var total = 0;
        foreach (var hour in memory.Minutes)
        {
            for (var bits = hour; bits != 0; bits &= bits - 1)
            {
                phases[System.Numerics.BitOperations.TrailingZeroCount(bits)]++;
                total++;
            }
        }

        // Quarter of the day, over the last week.
        var nowQuarter = (long)Math.Floor(now / 900);
        var nowDay = (long)Math.Floor(now / 86400);
        var first = (nowDay - 8) * 96;
        for (var d = 0; d < UnpackedDays; d++)
        {
            memory.Unpack(nowDay - 8 + d, unpacked.AsSpan(d * 12, 12));
        }

        var called = MemoryMarshal.AsBytes(unpacked.AsSpan());
        var today = (int)(nowQuarter - nowDay * 96);
        Span<ulong> counts = stackalloc ulong[12];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = unpacked[2 * 12 + i] + unpacked[3 * 12 + i] + unpacked[4 * 12 + i] + unpacked[5 * 12 + i] + unpacked[6 * 12 + i] + unpacked[7 * 12 + i];
        }

        var profile = MemoryMarshal.AsBytes(counts);
        var all = 0;
        for (var slot = 0; slot < profile.Length; slot++)
        {
            profile[slot] += called[(slot <= today ? 8 : 1) * 96 + slot];
            all += profile[slot];
        }

        var marked = (float)all;

        var days = (float)Math.Min(7, (now - memory.First) / 86400);
        var hours = (float)Math.Min(24, (now - memory.First) / 3600);
        if (hours < 2)
        {
            Array.Clear(phaseLog);
        }
        else
        {
            var mean = total * (3f / 60) + 0.5f;
            for (var m = 0; m < 60; m++)
            {
                phaseLog[m] = (phases[(m + 59) % 60] + phases[m] + phases[(m + 1) % 60] + 0.5f) / mean;
            }

            FastMath.Log(phaseLog);
        }

        // The same quarter of the newest day that has it over or begun, and of all days.
        var usual = Math.Min(1, marked / (96 * Math.Max(1, days)));
        var meanQuarter = marked * (4f / 96) + 1;
        for (var slot = 0; slot < 96; slot++)
        {
            var near = profile[slot == 0 ? 95 : slot - 1] + 2 * profile[slot] + profile[slot == 95 ? 0 : slot + 1];
            profileLog[slot] = (near + 1) / meanQuarter;
            day[slot] = Past(called, (slot > today ? 7 : 8) * 96 + slot);
        }

        FastMath.Log(profileLog);
        if (days < 0.5f)
        {
            Array.Clear(profileLog);
        }

        // A slot's middle as minutes after the hour, quarter-hours after midnight, and quarter-hours from now.
        var minuteNow = (float)(now % 3600 / 60);
        var quarterNow = (float)(now % 900);
        var busy = fleet.BusyThen;
        var hasWeek = memory.First < now + SlotGrid.Edges[N] - 6.9 * 86400;
        rows.AsSpan(10 * N, N).Clear();
        var lastQuarter = -1;
        var week = 0f;
        for (var k = 0; k < reach; k++)
        {
            var minute = (int)(minuteNow + MinuteOfHour[k]);
            minute -= minute >= 60 ? 60 : 0;
            var ahead = (int)((quarterNow + SlotGrid.Middles[k]) * (1f / 900));
            var slot = (today + ahead) % 96;
            rows[7 * N + k] = phaseLog[minute];
            rows[8 * N + k] = day[slot];
            rows[9 * N + k] = profileLog[slot];
            rows[11 * N + k] = busy[slot];
            if (hasWeek)
            {
                if (ahead != lastQuarter)
                {
                    lastQuarter = ahead;
                    week = Past(called, 96 + today + ahead);
                }

                rows[10 * N + k] = week;
            }
        }

        // Share of a quarter-hour and its neighbours with calls, against the usual one.
        float Past(ReadOnlySpan<byte> called, int quarter) => (first + quarter) * 900 > memory.First - 900
            ? (called[quarter - 1] + 2 * called[quarter] + called[quarter + 1]) * 0.25f - usual
            : 0;
    }
}
