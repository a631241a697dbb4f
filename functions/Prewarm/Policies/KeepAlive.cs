namespace Prewarm.Functions.Prewarm;

/// <summary>Decides about one service with what it was told of it, and nothing else.</summary>
internal abstract class GapPolicy
{
    /// <summary>Most windows a decision has.</summary>
    public const int MostWindows = 128;

    /// <summary>Takes an arrival and writes the windows to be ready in until the next one, in order and apart.</summary>
    /// <param name="gap">Seconds since the arrival before, or NaN for the first.</param>
    /// <param name="windows">Room for <see cref="MostWindows"/>.</param>
    /// <returns>How many were written.</returns>
    public abstract int Decide(double gap, Span<ReadyWindow> windows);
}

/// <summary>Stays ready for a fixed time after each arrival.</summary>
internal sealed class FixedKeepAlive(double seconds) : GapPolicy
{
    /// <summary>The nine of the yardstick, seconds.</summary>
    public static readonly double[] Settings = [60, 90, 300, 600, 1200, 1800, 3600, 7200, 14400];

    /// <summary>Knative's default: a stable window of 60 s and up to 30 s of grace.</summary>
    public const double Knative = 90;

    /// <inheritdoc/>
    public override int Decide(double gap, Span<ReadyWindow> windows)
    {
        windows[0] = new ReadyWindow(0, seconds);
        return 1;
    }
}
