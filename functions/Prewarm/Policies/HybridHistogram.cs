namespace Prewarm.Functions.Prewarm;

/// <summary>What tells one hybrid histogram from another.</summary>
/// <param name="RangeMinutes">Range of the histogram, in bins of a minute.</param>
/// <param name="Head">Percentile at which the window begins.</param>
/// <param name="Tail">Percentile at which it ends.</param>
/// <param name="Fallback">Seconds to stay ready when the histogram says nothing.</param>
/// <param name="TimeSeries">Whether gaps beyond the range are forecast.</param>
internal sealed record HybridVariant(int RangeMinutes, int Head, int Tail, double Fallback, bool TimeSeries = true)
{
    /// <summary>The thirteen of the yardstick.</summary>
    public static readonly HybridVariant[] All =
    [
        new(240, 5, 99, 14400), new(120, 5, 99, 7200), new(60, 5, 99, 3600), new(240, 0, 100, 14400), new(240, 5, 95, 14400),
        new(240, 5, 90, 14400), new(240, 5, 75, 14400), new(240, 5, 99, 600), new(240, 5, 95, 600), new(60, 5, 99, 600),
        new(60, 5, 95, 600), new(60, 5, 90, 600), new(240, 5, 99, 14400, TimeSeries: false),
    ];

    /// <summary>As in <c>4h-5-99-fb600</c>.</summary>
    public string Name =>
        $"{RangeMinutes / 60}h-{Head}-{Tail}{(Fallback == RangeMinutes * 60 ? "" : $"-fb{Fallback}")}{(TimeSeries ? "" : "-nots")}";
}

/// <summary>
/// The hybrid histogram of 'Serverless in the Wild' (ATC'20, section 4.2): idle times in bins of a minute; the window is
/// [0.90 × head, 1.10 × tail], head rounded down and tail up to their bins' edges. With no sample yet, or when the bin counts' coefficient
/// of variation is below 2, ready from 0 to the fallback; when at least half of the idle times lie beyond the range, ready within 15 % of
/// a one-step forecast (AR(1) over the last 64).
/// </summary>
internal sealed class HybridHistogram(HybridVariant variant) : GapPolicy
{
    private readonly int[] bins = new int[variant.RangeMinutes];
    private readonly double[] last = new double[64];
    private long inside;
    private long outside;
    private double squares;

    /// <inheritdoc/>
    public override int Decide(double gap, Span<ReadyWindow> windows)
    {
        if (!double.IsNaN(gap))
        {
            last[(inside + outside) % last.Length] = gap;
            if (gap < bins.Length * 60.0)
            {
                ref var bin = ref bins[(int)(gap / 60)];
                squares += 2.0 * bin + 1;
                bin++;
                inside++;
            }
            else
            {
                outside++;
            }
        }

        windows[0] = Window();
        return 1;
    }

    private ReadyWindow Window()
    {
        var standard = new ReadyWindow(0, variant.Fallback);
        if (inside + outside == 0)
        {
            return standard;
        }

        if (outside >= inside)
        {
            if (!variant.TimeSeries)
            {
                return standard;
            }

            var forecast = Forecast();
            return new ReadyWindow(0.85 * forecast, 1.15 * forecast);
        }

        var mean = (double)inside / bins.Length;
        var variance = squares / bins.Length - mean * mean;
        if (Math.Sqrt(variance) / mean < 2)
        {
            return standard;
        }

        var head = Bin(variant.Head) * 60.0;
        var tail = (Bin(variant.Tail) + 1) * 60.0;
        return new ReadyWindow(0.90 * head, 1.10 * tail);
    }

    /// <summary>The first bin at which the counts so far reach the percentile.</summary>
    private int Bin(int percentile)
    {
        var wanted = Math.Max(1, percentile / 100.0 * inside);
        long sum = 0;
        for (var i = 0; i < bins.Length; i++)
        {
            sum += bins[i];
            if (sum >= wanted)
            {
                return i;
            }
        }

        return bins.Length - 1;
    }

    private double Forecast()
    {
        var n = (int)Math.Min(inside + outside, last.Length);
        var newest = inside + outside - 1;
        double sum = 0;
        for (var i = 0; i < n; i++)
        {
            sum += last[i];
        }

        var mean = sum / n;
        double covariance = 0, variance = 0;
        for (var i = 0; i < n; i++)
        {
            var here = last[(newest - i) % last.Length] - mean;
            variance += here * here;
            if (i + 1 < n)
            {
                covariance += here * (last[(newest - i - 1) % last.Length] - mean);
            }
        }

        var slope = variance > 0 ? Math.Clamp(covariance / variance, -0.99, 0.99) : 0;
        return Math.Max(60, mean + slope * (last[newest % last.Length] - mean));
    }
}
