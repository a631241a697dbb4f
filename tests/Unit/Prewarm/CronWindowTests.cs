using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class CronWindowTests
{
    [Theory]
    [InlineData("50 8 * * 1-5", "Asia/Shanghai", "2026-03-06T00:49:59Z", "2026-03-06T00:50:00Z")]
    [InlineData("50 8 * * 1-5", "Asia/Shanghai", "2026-03-06T00:50:00Z", "2026-03-09T00:50:00Z")]
    [InlineData("50 8 * * mon-fri", "Asia/Shanghai", "2026-03-08T12:00:00Z", "2026-03-09T00:50:00Z")]
    [InlineData("*/20 9,10 1 * *", "UTC", "2026-03-01T09:40:00Z", "2026-03-01T10:00:00Z")]
    [InlineData("0 0 29 feb *", "UTC", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z")]
    [InlineData("0 12 13 * 5", "UTC", "2026-03-01T00:00:00Z", "2026-03-06T12:00:00Z")]
    [InlineData("0 9 * * 7", "UTC", "2026-03-02T00:00:00Z", "2026-03-08T09:00:00Z")]

    // In Berlin 2:00 becomes 3:00 on 29 March 2026, and 3:00 becomes 2:00 on 25 October.
    [InlineData("0 8 * * *", "Europe/Berlin", "2026-03-28T08:00:00Z", "2026-03-29T06:00:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")]
    public void Next_FirstStartAfter(string cron, string zone, string after, string expected) =>
        Assert.Equal(DateTimeOffset.Parse(expected, null), CronWindow.Parse(cron, TimeSpan.FromMinutes(40), zone).Next(DateTimeOffset.Parse(after, null)));

    [Fact]
    public void Next_NoSuchDay_Null() =>
        Assert.Null(CronWindow.Parse("0 0 30 2 *", TimeSpan.FromHours(1), "UTC").Next(DateTimeOffset.UnixEpoch));

    [Theory]
    [InlineData("2026-03-06T00:49:00Z", null)]
    [InlineData("2026-03-06T00:50:00Z", "2026-03-06T01:30:00Z")]
    [InlineData("2026-03-06T01:29:59Z", "2026-03-06T01:30:00Z")]
    [InlineData("2026-03-06T01:30:00Z", null)]
    public void OpenUntil_InsideOnly(string now, string? until) =>
        Assert.Equal(
            until is null ? null : DateTimeOffset.Parse(until, null),
            CronWindow.Parse("50 8 * * 1-5", TimeSpan.FromMinutes(40), "Asia/Shanghai").OpenUntil(DateTimeOffset.Parse(now, null)));

    /// <summary>As told by every start before, one after the other; around the days on which Berlin's and Lord Howe's clocks are put forward and back, too.</summary>
    [Fact]
    public void OpenUntil_IsTheEndOfTheLastStart()
    {
        var random = new Random(7);
        string[] crons = ["* * * * *", "*/7 * * * *", "30 2 * * *", "0,45 1-3 * * *", "59 23 * * 6", "0 0 1,29 * *", "15 2 29 3 *"];
        foreach (var (zone, around) in ((string, string)[])[("Europe/Berlin", "2026-03-29T01:00Z"), ("Europe/Berlin", "2026-10-25T01:00Z"), ("Australia/Lord_Howe", "2026-04-04T15:00Z"), ("UTC", "2026-12-31T23:00Z")])
        {
            for (var i = 0; i < 150; i++)
            {
                var (length, lead) = (TimeSpan.FromMinutes(random.Next(1, 300)), TimeSpan.FromMinutes(random.Next(0, 3) * 25));
                var cron = CronWindow.Parse(crons[i % crons.Length], length, zone);
                var now = DateTimeOffset.Parse(around, null).AddSeconds(random.Next(-100_000, 100_000));
                DateTimeOffset? last = null;
                for (var start = cron.Next(now - length); start <= now + lead; start = cron.Next(start.Value))
                {
                    last = start;
                }

                Assert.Equal((now, last + length), (now, cron.OpenUntil(now, lead)));
            }
        }
    }

    /// <summary>One tenant's window may not cost the tick of all: the CRD allows 32 of a start every minute and seven days.</summary>
    [Fact]
    public void OpenUntil_AStartEveryMinuteForSevenDays_IsFoundAtOnce()
    {
        var cron = CronWindow.Parse("* * * * *", TimeSpan.FromDays(7), "Europe/Berlin");
        var began = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < 1000; i++)
        {
            Assert.NotNull(cron.OpenUntil(DateTimeOffset.UnixEpoch.AddYears(56).AddMinutes(i)));
        }

        // One search through all its starts takes seconds.
        Assert.InRange(TimeProvider.System.GetElapsedTime(began), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    [Theory]
    [InlineData("50 8 * *", "UTC", "4 fields")]
    [InlineData("60 8 * * *", "UTC", "minute")]
    [InlineData("0 8 * * mo", "UTC", "day of the week")]
    [InlineData("0 5-3 * * *", "UTC", "hour")]
    [InlineData("*/0 8 * * *", "UTC", "minute")]
    [InlineData("0 8 * * *", "Mars/Olympus", "Mars/Olympus")]
    public void Parse_Wrong_Named(string cron, string zone, string named) =>
        Assert.Contains(named, Assert.Throws<FormatException>(() => CronWindow.Parse(cron, TimeSpan.FromHours(1), zone)).Message, StringComparison.Ordinal);
}
