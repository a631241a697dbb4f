using Cronos;

namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// A PingSource's schedule: five fields, or six with seconds first, or a descriptor such as <c>@hourly</c>, after an optional <c>CRON_TZ=</c>
/// (robfig/cron v3 with SecondOptional, knative/eventing PR #7394; <c>@every</c> is refused: <c>pkg/apis/sources/v1/ping_validation.go</c>).
/// </summary>
internal sealed class CronSchedule
{
    private readonly List<CronExpression> _either;
    private readonly TimeZoneInfo _zone;

    private CronSchedule(List<CronExpression> either, TimeZoneInfo zone) => (_either, _zone) = (either, zone);

    /// <param name="timezone">IANA name; UTC when null.</param>
    /// <exception cref="FormatException">No schedule, or no such time zone.</exception>
    public static CronSchedule Parse(string text, string? timezone)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).ToList();
        if (words is [var first, ..] && (first.StartsWith("CRON_TZ=", StringComparison.Ordinal) || first.StartsWith("TZ=", StringComparison.Ordinal)))
        {
            timezone = first[(first.IndexOf('=', StringComparison.Ordinal) + 1)..];
            words.RemoveAt(0);
        }

        TimeZoneInfo zone;
        try
        {
            zone = timezone is null or "" ? TimeZoneInfo.Utc : TimeZoneInfo.FindSystemTimeZoneById(timezone);
        }
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException)
        {
            throw new FormatException($"provided bad location {timezone}: unknown time zone", e);
        }

        if (words is [var descriptor, ..] && descriptor.StartsWith('@'))
        {
            // Cronos has more of them than cron has.
            return words.Count == 1 && descriptor is "@yearly" or "@annually" or "@monthly" or "@weekly" or "@daily" or "@midnight" or "@hourly"
                ? new([One(descriptor, CronFormat.Standard)], zone) : throw new FormatException($"unsupported descriptor {descriptor}");
        }

        if (words.Count is not (5 or 6))
        {
            throw new FormatException($"expected 5 to 6 fields, found {words.Count}: [{text}]");
        }

        // A day counts when either day field matches, unless one of them is a star (robfig/cron spec.go, dayMatches); to Cronos it must match both.
        var (day, weekday) = (words.Count - 3, words.Count - 1);
        var format = words.Count == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard;
        return IsStar(words[day]) || IsStar(words[weekday])
            ? new([One(string.Join(' ', words), format)], zone)
            : new([One(With(words, day), format), One(With(words, weekday), format)], zone);
    }

    /// <summary>The first time after <paramref name="after"/>; null when there is none.</summary>
    public DateTimeOffset? Next(DateTimeOffset after) => _either.Select(e => e.GetNextOccurrence(after, _zone)).Where(n => n is not null).Min();

    private static bool IsStar(string field) => field[0] is '*' or '?';

    private static string With(List<string> words, int star) => string.Join(' ', words.Select((w, i) => i == star ? "*" : w));

    private static CronExpression One(string text, CronFormat format)
    {
        try
        {
            return CronExpression.Parse(text, format);
        }
        catch (CronFormatException e)
        {
            throw new FormatException(e.Message, e);
        }
    }
}
