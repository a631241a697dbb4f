using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class BudgetTests
{
    [Theory]
    [InlineData(0.4, 5, 2, 0, 1)]
    [InlineData(0.4, 5.1, 2, 0, 2)]
    [InlineData(10, 3, 1, 0, 30)]
    [InlineData(10, 3, 1, 8, 8)]
    [InlineData(0, 3, 1, 8, 1)]
    [InlineData(double.NaN, 3, 1, 8, 1)]
    public void Pods_LittlesLaw_WithinMaxScale(double rate, double seconds, double concurrency, int most, int expected) =>
        Assert.Equal(expected, PodCount.Pods(rate, seconds, concurrency, most));

    [Fact]
    public void CacheWorkers_BandwidthIsTheLimit() => Assert.Equal(4, PodCount.CacheWorkers(140, 20, 2, 10));

    [Fact]
    public void Reserve_MoreThanIsLeft_NeverExceeds()
    {
        var random = new Random(3);
        var budget = new BudgetPrice(5000, 86400);
        var used = new Dictionary<long, double>();
        for (var now = 0.0; now < 10 * 86400; now += random.NextDouble() * 600)
        {
            var granted = budget.Reserve(random.NextDouble() * 300, now);
            var back = random.NextDouble() * granted;
            budget.Return(back, now, now);
            var day = (long)(now / 86400);
            used[day] = used.GetValueOrDefault(day) + granted - back;
        }

        Assert.All(used.Values, u => Assert.InRange(u, 0, 5000 + 1e-6));
        Assert.Equal(10, used.Count);
    }

    [Fact]
    public void Patience_DemandAboveTheBudget_PriceEvensItOut()
    {
        // Windows of every value from 0 to 1000 s of patience, 100 s each, one a minute: a budget for a tenth of them takes the most valuable, all day long.
        var random = new Random(4);
        var budget = new BudgetPrice(14400, 86400);
        int[] halves = [0, 0];
        double value = 0;
        var taken = 0;
        for (var i = 0; i < 10 * 1440; i++)
        {
            var now = i * 60.0;
            var worth = random.NextDouble();
            if (budget.Patience(worth * 1000, now) >= 300 && budget.Reserve(100, now) >= 100 && i >= 1440)
            {
                halves[i % 1440 / 720]++;
                value += worth;
                taken++;
            }
        }

        Assert.InRange(taken, 0.9 * 9 * 144, 9 * 144);
        Assert.InRange(value / taken, 0.88, 1);
        Assert.InRange(halves[0] / (double)halves[1], 0.67, 1.5);
    }

    [Fact]
    public void Reserve_NoBudget_Nothing()
    {
        var budget = new BudgetPrice(0, 3600);
        Assert.Equal(0, budget.Reserve(10, 5));
        Assert.Equal(0, budget.Patience(1000, 6));
    }
}
