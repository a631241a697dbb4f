using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public sealed class BudgetPricesTests
{
    private static readonly ModelKey s_key = new("team", "bloom");
    private static readonly DateTimeOffset s_noon = new(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);
    private static readonly PrewarmBudget s_two = new() { PodHours = 2 };

    [Theory]
    [InlineData(3600, 1, 1)]
    [InlineData(0, 1, 1)]
    [InlineData(5400, 100, 200)]
    public void Of_SpentAheadOfTheClock_Dearer(double spent, double least, double most) =>
        Assert.InRange(new BudgetPrices(new()).Of(s_key, s_two, Spent(spent), 0, s_noon), least, most);

    [Fact]
    public void Of_YesterdaysSpending_IsNotTodays() =>
        Assert.Equal(1, new BudgetPrices(new()).Of(s_key, s_two, Spent(7200) with { Day = "2026-11-24" }, 0, s_noon));

    [Fact]
    public void Of_AfterARestart_GoesOnFromWhatTheStatusSays() =>
        Assert.Equal(50, new BudgetPrices(new()).Of(s_key, s_two, Spent(3600) with { Price = 50 }, 0, s_noon), 1e-6);

    /// <summary>What is spent ahead of the clock is in the price that the status tells, and does not count twice.</summary>
    [Fact]
    public void Of_AfterARestart_SpentAhead_IsTheSamePrice()
    {
        var before = new BudgetPrices(new()).Of(s_key, s_two, Spent(4680), 0, s_noon);
        Assert.InRange(before, 10, 100);
        Assert.Equal(before, new BudgetPrices(new()).Of(s_key, s_two, Spent(4680) with { Price = before }, 0, s_noon), 1e-6);
    }

    [Fact]
    public void Of_TheNamespacesBudget_CountsWhatItsOtherModelsCost()
    {
        var prices = new BudgetPrices(new() { NamespacePodHours = new Dictionary<string, double> { ["team"] = 10 } });
        Assert.Equal(1, prices.Of(s_key, new(), Spent(0), 0, s_noon));
        Assert.True(prices.Of(s_key, new(), Spent(3600), 7 * 3600, s_noon) > 100);
    }

    [Fact]
    public void Of_NoBudget_Usual_AndABudgetOfNothing_SoDearThatNothingPays()
    {
        var prices = new BudgetPrices(new());
        Assert.Equal(1, prices.Of(s_key, new(), Spent(7200), 0, s_noon));
        Assert.Equal(1e6, prices.Of(s_key, new() { PodHours = 0 }, Spent(0), 0, s_noon));
    }

    [Fact]
    public void Of_SpentAheadAllAfternoon_StaysDearerWhenTheClockHasCaughtUp()
    {
        var prices = new BudgetPrices(new());
        for (var minute = 0; minute <= 120; minute++)
        {
            prices.Of(s_key, s_two, Spent(5400), 0, s_noon.AddMinutes(minute));
        }

        Assert.True(prices.Of(s_key, s_two, Spent(5400), 0, s_noon.AddHours(6)) > 1.02);
    }

    /// <summary>A cache that is kept all day costs what its budget of a day is, however far ahead it is paid.</summary>
    [Fact]
    public void Of_GbHours_PaidAheadIsNotSpentAhead()
    {
        var prices = new BudgetPrices(new() { NamespaceCacheGbHours = new Dictionary<string, double> { ["team"] = 240 } }, cache: true);
        var paid = new PrewarmStatus { Day = "2026-11-25", CacheGb = 10, CacheGbSeconds = 10 * (43_200 + 1800), CacheUntil = s_noon.AddMinutes(30) };
        Assert.Equal(1, prices.Of(s_key, new() { CacheGbHours = 240 }, paid, 0, s_noon));
        Assert.InRange(new BudgetPrices(new(), cache: true).Of(s_key, new() { CacheGbHours = 200 }, paid, 0, s_noon), 7, 8);
        Assert.True(prices.Of(s_key, new(), paid, 0.2 * 240 * 3600, s_noon) > 50);
    }

    private static PrewarmStatus Spent(double seconds) => new() { Day = "2026-11-25", PodSeconds = seconds };
}
