using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class RegretTests
{
    [Fact]
    public void Of_TwoServices_AgainstTheBestForAllAndTheBestForEach()
    {
        // At a patience of 100 s the keep-alives cost 10 + 10 and 4 + 40; the best for each is 10 and 10, off costs 50 and 20.
        var small = Score("fixed-60", (50, 4, 600), (20, 10, 0));
        var large = Score("fixed-600", (50, 2, 200), (20, 1, 3900));
        var mine = Score("learned", (50, 6, 200), (20, 5, 200));
        var regret = Regret.Of(mine, 100, [mine, small, large])!;
        Assert.Equal(100 * (15.0 / 20 - 1), regret.Percent, 6);
        Assert.Equal((8 - 4) + (7 - 10), regret.Total, 6);
        Assert.Equal(4, regret.Worst, 6);
    }

    [Fact]
    public void Of_NoKeepAliveReplayed_Unknown()
    {
        var mine = Score("learned", (50, 6, 200));
        Assert.Null(Regret.Of(mine, 100, [mine]));
    }

    [Fact]
    public void Of_OffIsBest_AgainstOff()
    {
        var mine = Score("learned", (10, 10, 100));
        var regret = Regret.Of(mine, 100, [mine, Score("fixed-60", (10, 5, 1e6))])!;
        Assert.Equal(10, regret.Percent, 6);
        Assert.Equal(1, regret.Worst, 6);
    }

    private static PolicyScore Score(string policy, params (long Arrivals, long Cold, double Idle)[] services)
    {
        var score = new PolicyScore(policy, "100");
        for (var s = 0; s < services.Length; s++)
        {
            score.Add(services[s].Arrivals, services[s].Cold, services[s].Idle, s);
        }

        return score;
    }
}
