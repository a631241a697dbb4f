using System.Globalization;

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
        var history = options.History.SelectMany(TraceReader.Read).Where(s => s.Arrivals.Length >= options.MinArrivals).ToList();

        ServiceTrace[] scored = [.. options.Files.SelectMany(TraceReader.Read).Where(s => s.Arrivals.Length >= options.MinArrivals)];
        if (scored.Length == 0)
        {
            throw new TraceFormatException($"no service has {options.MinArrivals} arrivals or more");
        }

        if (options.Decisions is not null && scored.GroupBy(s => s.Id, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            throw new TraceFormatException($"\"{twice.Key}\" is in two files: whose decisions are meant, nobody could tell");
        }

        Writable(options);
        var prices = options.Tiers is { } file ? Tiers.TierPrices.Read(file) : null;
        var progress = new BacktestProgress(errors, !Console.IsErrorRedirected, TimeProvider.System);
        if (prices is not null)
        {
            Write(options, Tiers.TierBacktest.Run(scored, prices, fold => Prior(options, scored, history, fold), Math.Max(1, options.Folds), progress), output);
            return;
        }

        using var decisions = options.Decisions is { } path ? new DecisionLog(path) : null;
        var backtest = new Backtest(scored, decisions, progress);
        var baselines = Baselines(options);
        var learned = options.Policies.Contains("learned")
            ? options.Patience.Select(p => new PolicyScore("learned", p.ToString("R", CultureInfo.InvariantCulture))).ToArray()
            : [];
        var alone = options.Policies.Contains("unguarded") && learned.Length > 0
            ? options.Patience.Select(p => new PolicyScore("unguarded", p.ToString("R", CultureInfo.InvariantCulture))).ToArray()
            : null;
        long arrivals = scored.Sum(s => (long)s.Arrivals.Length);
        progress.Expect(arrivals * (baselines.Count + (learned.Length > 0 ? LearnedWork : 0)));

        var rows = new PolicyScore[baselines.Count];
        var work = new List<Action>();
        if (learned.Length > 0)
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
        Write(options, [.. learned, .. alone ?? [], .. rows], output, ten);
    }

    /// <summary>What cannot be written is said before minutes of work.</summary>
    private static void Writable(BacktestOptions options)
    {
        foreach (var path in ((string?[])[options.Csv, options.Plot, options.Decisions]).OfType<string>())
        {
            using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write);
        }
    }

    private static ForecastPrior Prior(BacktestOptions options, ServiceTrace[] scored, IReadOnlyList<ServiceTrace> history, int fold) =>
        options.Folds == 0 && history.Count == 0
            ? ForecastPrior.ReadNeutral()
            : ForecastPrior.Learn(options.Folds > 0 ? [.. scored.Where((_, i) => i % options.Folds != fold)] : history, Units, ForecastPrior.ReadNeutral());

    private static void Write(BacktestOptions options, PolicyScore[] scores, TextWriter output, double tenMinutes = double.NaN)
    {
        if (options.Csv is { } csv)
        {
            File.WriteAllText(csv, BacktestTable.Csv(scores));
        }
        else
        {
            output.Write(BacktestTable.Text(scores, tenMinutes));
        }

        if (options.Bootstrap > 0 && options.Tiers is null)
        {
            output.Write(BacktestTable.Fronts(scores, options.Bootstrap));
        }

        if (options.Plot is { } plot)
        {
            File.WriteAllText(plot, FrontPlot.Svg(scores));
        }
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
