using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class PolicyGuardTests
{
    private static readonly ReadyWindow[] Histogram = [new(0, 600)];

    [Fact]
    public void Choose_ForecastAlwaysWrong_BestKeepAliveSoonAndBackWhenItIsRightAgain()
    {
        var guard = new PolicyGuard(1000, new float[PolicyGuard.Experts]);
        double paid = 0, best = 0;
        for (var i = 0; i < 400; i++)
        {
            var choice = guard.Choose();
            var windows = new ReadyWindow[4];
            var count = choice == 0 ? 0 : PolicyGuard.Windows(choice, Histogram, windows);
            var (warm, idle) = PolicyScore.Gap(windows.AsSpan(0, count), 80);
            paid += (warm ? 0 : 1000) + idle;
            best += 80;
            guard.Learn([], Histogram, 80);
        }

        // What it is led astray for is a handful of cold starts, however long it goes on.
        Assert.InRange(paid - best, 0, 8 * 1000);
        Assert.NotEqual(0, guard.Choose());
        for (var i = 0; i < 2000; i++)
        {
            guard.Learn([new(79, 81)], Histogram, 80);
        }

        Assert.Equal(0, guard.Choose());
    }

    [Fact]
    public void Choose_ForecastWorseForAllServicesTogether_ANewServiceDoesNotPayForItAgain()
    {
        var fleet = new float[PolicyGuard.Experts];
        for (var service = 0; service < 10; service++)
        {
            var guard = new PolicyGuard(1000, new float[PolicyGuard.Experts], fleet);
            guard.Learn([], Histogram, 80);
        }

        var late = new float[PolicyGuard.Experts];
        Assert.NotEqual(0, new PolicyGuard(1000, late, fleet).Choose());
        Assert.Equal(0, new PolicyGuard(1000, late).Choose());

        // Whom the forecast serves better than that keeps it.
        for (var i = 0; i < 10; i++)
        {
            new PolicyGuard(1000, late).Learn([new(3000, 3010)], Histogram, 3005);
        }

        Assert.Equal(0, new PolicyGuard(1000, late, fleet).Choose());
    }

    [Fact]
    public void Choose_NothingPays_Off()
    {
        var guard = new PolicyGuard(60, new float[PolicyGuard.Experts]);
        for (var i = 0; i < 100; i++)
        {
            guard.Learn([new(0, 200)], Histogram, 5000);
        }

        Assert.Equal(2, guard.Choose());
        Assert.Equal(0, PolicyGuard.Windows(2, Histogram, new ReadyWindow[1]));
    }
}
