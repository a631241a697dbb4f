using Prewarm.Functions.Prewarm;
using Xunit;

namespace Prewarm.Tests.Unit.Forecasts;

public class BaselineTests
{
    [Fact]
    public void Run_FixedKeepAlive_ScoreAsDefined()
    {
        // Gaps 50 (warm), 60 (at the end of the window: cold), 500 (cold); 30 s are left when the observation ends.
        var score = Run([100, 150, 210, 710], 740, new FixedKeepAlive(60));
        Assert.Equal((4, 3, 2), (score.Arrivals, score.Cold, score.ColdExcludingFirst));
        Assert.Equal(50 + 60 + 60 + 30, score.IdleSeconds);
    }

    [Fact]
    public void Gap_BetweenTwoWindows_Cold()
    {
        ReadyWindow[] windows = [new(0, 10), new(100, 120)];
        Assert.Equal((false, 10), PolicyScore.Gap(windows, 50));
        Assert.Equal((true, 15), PolicyScore.Gap(windows, 105));
        Assert.Equal((true, 0), PolicyScore.Gap(windows, 0));
        Assert.Equal((false, 30), PolicyScore.Gap(windows, 120));
    }

    [Fact]
    public void Decide_HourlyTimer_WindowAroundItsBins()
    {
        var hybrid = new HybridHistogram(new HybridVariant(240, 5, 99, 14400));
        var windows = new ReadyWindow[1];
        hybrid.Decide(double.NaN, windows);
        Assert.Equal(new ReadyWindow(0, 14400), windows[0]);
        for (var i = 0; i < 20; i++)
        {
            hybrid.Decide(3600 + i % 3 * 30, windows);
        }

        // Bins 60 and 61: from 60 min × 0.90 to 62 min × 1.10.
        Assert.Equal(3240, windows[0].Start, 6);
        Assert.Equal(62 * 60 * 1.1, windows[0].End, 6);
    }

    [Fact]
    public void Decide_GapsBeyondTheRange_TimeSeriesUnlessOff()
    {
        var hybrid = new HybridHistogram(new HybridVariant(60, 5, 99, 3600));
        var without = new HybridHistogram(new HybridVariant(60, 5, 99, 3600, TimeSeries: false));
        var windows = new ReadyWindow[1];
        for (var i = 0; i < 5; i++)
        {
            hybrid.Decide(i == 0 ? double.NaN : 10000, windows);
        }

        Assert.Equal(8500, windows[0].Start, 6);
        Assert.Equal(11500, windows[0].End, 6);
        without.Decide(10000, windows);
        Assert.Equal(new ReadyWindow(0, 3600), windows[0]);
    }

    [Fact]
    public void Names_ThirteenAndNine_AllDifferent()
    {
        Assert.Equal(13, HybridVariant.All.Select(v => v.Name).Distinct().Count());
        Assert.Equal(9, FixedKeepAlive.Settings.Distinct().Count());
    }

    private static PolicyScore Run(double[] arrivals, double end, GapPolicy policy) =>
        new Backtest([new ServiceTrace("a", 0, end, arrivals)], null, null).Run("p", "s", () => policy);
}
