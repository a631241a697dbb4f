namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What a person knows beforehand: from every time that a cron expression names in a time zone, for so long. A start that the clock skips in spring
/// happens when the clock has been put forward; one that comes twice in autumn happens the first time.
/// </summary>
internal sealed class CronWindow
{
    private static readonly string[] MonthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    private static readonly string[] DayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    private readonly ulong minutes;
    private readonly ulong hours;
    private readonly ulong days;
    private readonly ulong months;
    private readonly ulong weekdays;
    private readonly bool eitherDay;
    private readonly TimeSpan length;
    private readonly TimeZoneInfo zone;

    private CronWindow(string[] fields, TimeSpan length, TimeZoneInfo zone)
    {
        minutes = Field(fields[0], "minute", 0, 59, []);
        hours = Field(fields[1], "hour", 0, 23, []);
        days = Field(fields[2], "day of the month", 1, 31, []);
        months = Field(fields[3], "month", 1, 12, MonthNames);
        weekdays = Field(fields[4], "day of the week", 0, 7, DayNames);
        weekdays |= weekdays >> 7 & 1;

        // As in cron(5): when both days are restricted, either will do.
        eitherDay = !fields[2].StartsWith('*') && !fields[4].StartsWith('*');
        this.length = length;
        this.zone = zone;
    }

    /// <param name="cron">Five fields: minute, hour, day of the month, month, day of the week; lists, ranges, steps and English names.</param>
    /// <param name="length">Above 0, at most 7 days.</param>
    /// <param name="timeZone">An IANA name, as Asia/Shanghai.</param>
    /// <exception cref="FormatException">One of them cannot be read; the message names it.</exception>
    public static CronWindow Parse(string cron, TimeSpan length, string timeZone)
    {
        var fields = cron.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (fields.Length != 5)
        {
            throw new FormatException($"\"{cron}\" has {fields.Length} fields, not 5: minute, hour, day of the month, month, day of the week");
        }

        if (length <= TimeSpan.Zero || length > TimeSpan.FromDays(7))
        {
            throw new FormatException($"a window lasts up to 7 days, not {length}");
        }

        return TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out var zone)
            ? new CronWindow(fields, length, zone)
            : throw new FormatException($"unknown time zone: {timeZone}{(TimeZoneInfo.GetSystemTimeZones().Count > 1 ? ", write an IANA name such as Asia/Shanghai" : ": there are none but UTC where this runs, its image lacks tzdata")}");
    }

    /// <summary>The first start after a time; null when there is none within five years.</summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        // A day earlier: a skipped start may end up on the next day.
        var day = TimeZoneInfo.ConvertTime(after, zone).Date.AddDays(-1);
        for (var d = 0; d < 5 * 366; d++, day = day.AddDays(1))
        {
            if (!Names(day))
            {
                continue;
            }

            for (var hour = 0; hour < 24; hour++)
            {
                if ((hours >> hour & 1) == 0)
                {
                    continue;
                }

                for (var minute = 0; minute < 60; minute++)
                {
                    if ((minutes >> minute & 1) != 0 && Instant(day.AddHours(hour).AddMinutes(minute)) is var start && start > after)
                    {
                        return start;
                    }
                }
            }
        }

        return null;
    }

    /// <summary>When the last window ends that is open at a time, or opens within a lead of it; null when there is none.</summary>
    public DateTimeOffset? OpenUntil(DateTimeOffset now, TimeSpan lead = default) => Last(now + lead, now - length) is { } start ? start + length : null;

    /// <summary>The last start up to a time and after another; null when there is none.</summary>
    private DateTimeOffset? Last(DateTimeOffset upTo, DateTimeOffset after)
    {
        // A local time that comes twice, or is skipped, may be an hour or two beside the instant that it stands for.
        var latest = TimeZoneInfo.ConvertTime(upTo, zone).DateTime.AddHours(3);
        var earliest = TimeZoneInfo.ConvertTime(after, zone).Date.AddDays(-1);
        for (var day = latest.Date; day >= earliest; day = day.AddDays(-1))
        {
            for (var hour = Names(day) ? 23 : -1; hour >= 0; hour--)
            {
                for (var minute = (hours >> hour & 1) != 0 ? 59 : -1; minute >= 0; minute--)
                {
                    if ((minutes >> minute & 1) != 0 && day.AddHours(hour).AddMinutes(minute) is var local && local <= latest && Instant(local) is var start && start <= upTo)
                    {
                        return start > after ? start : null;
                    }
                }
            }
        }

        return null;
    }

    private bool Names(DateTime day)
    {
        var ofMonth = (days >> day.Day & 1) != 0;
        var ofWeek = (weekdays >> (int)day.DayOfWeek & 1) != 0;
        return (months >> day.Month & 1) != 0 && (eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek);
    }

    private DateTimeOffset Instant(DateTime local)
    {
        while (zone.IsInvalidTime(local))
        {
            local = local.AddMinutes(1);
        }

        var offset = zone.IsAmbiguousTime(local) ? zone.GetAmbiguousTimeOffsets(local).Max() : zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset).ToUniversalTime();
    }

    private static ulong Field(string text, string name, int least, int most, string[] names)
    {
        ulong bits = 0;
        foreach (var part in text.Split(','))
        {
            var (range, step) = (part, 1);
            if (part.IndexOf('/') is >= 0 and var slash)
            {
                range = part[..slash];
                step = int.TryParse(part.AsSpan(slash + 1), out var s) && s > 0 ? s : throw Wrong();
            }

            int from, to;
            if (range == "*")
            {
                (from, to) = (least, most);
            }
            else if (range.IndexOf('-') is > 0 and var dash)
            {
                (from, to) = (Value(range[..dash]), Value(range[(dash + 1)..]));
            }
            else
            {
                from = Value(range);
                to = step > 1 ? most : from;
            }

            if (from > to)
            {
                throw Wrong();
            }

            for (var v = from; v <= to; v += step)
            {
                bits |= 1UL << v;
            }
        }

        return bits;

        int Value(string word) =>
            Array.IndexOf(names, word.ToLowerInvariant()) is >= 0 and var named ? named + least
            : int.TryParse(word, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var value) && value >= least && value <= most ? value
            : throw Wrong();

        FormatException Wrong() => new($"\"{text}\" is no {name} ({least} to {most})");
    }
}
