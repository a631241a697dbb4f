using System.Globalization;
using System.Text;

namespace Prewarm.Functions.Prewarm;

/// <summary><c>functions backtest</c>: reads, replays, writes what was asked for.</summary>
internal static class BacktestCommand
{
    private const int Units = 16;

    // One learned arrival takes about as long as this many of a simple policy's.
    private const double LearnedWork = 60;

    /// <returns>0, or 2 for a wrong command line, 1 for a trace that cannot be read.</returns>
    public static int Run(IReadOnlyList<string> args, TextWriter output, TextWriter errors)
    {
        if (args.Any(a => a is "--help" or "-h"))
        {
            output.Write(BacktestOptions.Usage);
            return 0;
        }

        try
        {
            Run(BacktestOptions.Parse(args), output, errors);
            return 0;
        }
        catch (FormatException e)
        {
            errors.WriteLine($"{e.Message}; functions backtest --help says more");
            return 2;
        }
        catch (Exception e) when (e is TraceFormatException or IOException or UnauthorizedAccessException)
        {
            errors.WriteLine(e.Message);
            return 1;
        }
    }

    private static void Run(BacktestOptions options, TextWriter output, TextWriter errors)
    {
        using var outputs = new BacktestOutputs(options);
        var prices = options.Tiers is { } file ? Tiers.TierPrices.Read(file) : null;
        var (scored, history) = BacktestTraces.Read(options, errors);
        var progress = new BacktestProgress(errors, !Console.IsErrorRedirected, TimeProvider.System);
        if (prices is not null)
        {
            Write(options, outputs, Tiers.TierBacktest.Run(scored, prices, fold => Prior(options, scored, history, fold), Math.Max(1, options.Folds), progress), output);
            return;
        }

        var decisions = outputs.Decisions is { } stream ? new DecisionLog(stream, options.Decisions!.EndsWith(".gz", StringComparison.Ordinal)) : null;
        var backtest = new Backtest(scored, decisions, progress);
        var baselines = Baselines(options);
        var (learned, alone) = (Rows(options, "learned"), Rows(options, "unguarded"));
        var forecast = learned is not null || alone is not null;
        long arrivals = scored.Sum(s => (long)s.Arrivals.Length);
        progress.Expect(arrivals * (baselines.Count + (forecast ? LearnedWork : 0)));

        var rows = new PolicyScore[baselines.Count];
        var work = new List<Action>();
        if (forecast)
        {
            var folds = Math.Max(1, options.Folds);
            for (var f = 0; f < folds; f++)
            {
                var fold = f;
                work.Add(() =>
                {
                    var prior = Prior(options, scored, history, fold);
                    int[] members = [.. Enumerable.Range(0, scored.Length).Where(i => i % folds == fold)];
                    backtest.RunLearned(members, prior, learned, options.Patience, LearnedWork, alone);
                });
            }
        }

        for (var b = 0; b < baselines.Count; b++)
        {
            var (row, baseline) = (b, baselines[b]);
            work.Add(() => rows[row] = backtest.Run(baseline.Policy, baseline.Setting, baseline.Make));
        }

        Parallel.ForEach(work, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, action => action());
        // What waste is measured by, whatever was asked for.
        var ten = new Backtest(scored, null, null).Run("fixed-600", "600", () => new FixedKeepAlive(600)).IdleSeconds;
        decisions?.Dispose();
        Write(options, outputs, [.. learned ?? [], .. alone ?? [], .. rows], output, ten);
    }

    private static PolicyScore[]? Rows(BacktestOptions options, string policy) =>
        options.Policies.Contains(policy) ? [.. options.Patience.Select(p => new PolicyScore(policy, p.ToString("R", CultureInfo.InvariantCulture)))] : null;

    private static ForecastPrior Prior(BacktestOptions options, ServiceTrace[] scored, IReadOnlyList<ServiceTrace> history, int fold) =>
        options.Folds == 0 && history.Count == 0
            ? ForecastPrior.ReadNeutral()
            : ForecastPrior.Learn(options.Folds > 0 ? [.. scored.Where((_, i) => i % options.Folds != fold)] : history, Units, ForecastPrior.ReadNeutral());

    private static void Write(BacktestOptions options, BacktestOutputs outputs, PolicyScore[] scores, TextWriter output, double tenMinutes = double.NaN)
    {
        if (outputs.Csv is { } csv)
        {
            csv.Write(Encoding.UTF8.GetBytes(BacktestTable.Csv(scores)));
        }
        else
        {
            output.Write(BacktestTable.Text(scores, tenMinutes));
        }

        if (options.Bootstrap > 0)
        {
            output.Write(BacktestTable.Fronts(scores, options.Bootstrap));
        }

        outputs.Plot?.Write(Encoding.UTF8.GetBytes(FrontPlot.Svg(scores)));
        outputs.Keep();
    }

    private static List<(string Policy, string Setting, Func<GapPolicy> Make)> Baselines(BacktestOptions options)
    {
        var list = new List<(string, string, Func<GapPolicy>)>();
        if (options.Policies.Contains("knative"))
        {
            list.Add(("knative", "90", () => new FixedKeepAlive(FixedKeepAlive.Knative)));
        }

        if (options.Policies.Contains("fixed"))
        {
            list.AddRange(FixedKeepAlive.Settings.Select(s => ($"fixed-{s}", $"{s}", (Func<GapPolicy>)(() => new FixedKeepAlive(s)))));
        }

        if (options.Policies.Contains("hybrid"))
        {
            list.AddRange(HybridVariant.All.Select(v => ($"hybrid-{v.Name}", v.Name, (Func<GapPolicy>)(() => new HybridHistogram(v)))));
        }

        return list;
    }
}
