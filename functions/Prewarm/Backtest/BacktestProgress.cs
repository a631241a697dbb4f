namespace Prewarm.Functions.Prewarm;

/// <summary>A progress bar for a terminal, or a line every tenth elsewhere.</summary>
internal sealed class BacktestProgress(TextWriter output, bool terminal, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly long start = time.GetTimestamp();
    private double total;
    private double done;
    private int shown = -1;

    /// <summary>More work to come.</summary>
    public void Expect(double work)
    {
        lock (gate)
        {
            total += work;
        }
    }

    public void Advance(double work)
    {
        lock (gate)
        {
            done += work;
            var now = (int)Math.Min(100, 100 * done / Math.Max(1, total));
            if (now / (terminal ? 1 : 10) == shown / (terminal ? 1 : 10) && shown >= 0)
            {
                return;
            }

            shown = now;
            var seconds = time.GetElapsedTime(start).TotalSeconds;
            output.Write(terminal
                ? $"\r[{new string('#', now / 4).PadRight(25, '.')}] {now,3} %  {seconds:F0} s{(now > 2 ? $", {seconds * (100 - now) / now:F0} s to go   " : "")}{(now == 100 ? "\n" : "")}"
                : $"{now} % after {seconds:F0} s\n");
        }
    }
}
