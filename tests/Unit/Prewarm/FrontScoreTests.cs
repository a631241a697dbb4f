using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class FrontScoreTests
{
    [Fact]
    public void Compare_OnLogarithms_AsTheScorerDoes()
    {
        // On the candidate's line cold = 100 / waste; the dominated reference point (20, 30) does not count.
        (double, double)[] candidate = [(1, 100), (10, 10), (100, 1)];
        (double, double)[] reference = [(4, 50), (20, 10), (20, 30), (50, 4)];
        var (cold, waste) = FrontScore.Compare(candidate, reference);
        Assert.Equal(0.5, cold, 6);
        Assert.Equal(0.5, waste, 6);
    }

    [Fact]
    public void Compare_PointBeyondTheEnds_CountsAsLost()
    {
        var (cold, waste) = FrontScore.Compare([(10, 10), (20, 5)], [(5, 20)]);
        Assert.Equal(-1, cold);
        Assert.Equal(-1, waste);
    }

    [Fact]
    public void Bootstrap_ServicesAllAlike_NoSpread()
    {
        PolicyScore[] candidate = [Score(10, 40, 5), Score(30, 10, 5)];
        PolicyScore[] reference = [Score(20, 40, 5)];
        var (cold, waste) = FrontScore.Bootstrap(candidate, reference, 50, 1);
        Assert.Equal(cold.Low, cold.High, 9);
        Assert.Equal(0.5, waste.Middle, 9);
    }

    private static PolicyScore Score(double idle, long cold, int services)
    {
        var score = new PolicyScore("x", "");
        for (var s = 0; s < services; s++)
        {
            score.Add(100, cold, idle, s);
        }

        return score;
    }
}
