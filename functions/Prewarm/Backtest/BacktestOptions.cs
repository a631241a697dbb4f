using System.Globalization;

namespace Prewarm.Functions.Prewarm;

/// <summary>What <c>functions backtest</c> is asked.</summary>
internal sealed record BacktestOptions
{
    public const string Usage = """
        functions backtest FILE… [options]   replays recorded arrivals against prewarming policies

          FILE                 JSONL(.gz), one service a line: {"id","h0","h1","t":[first second, then deltas]}; or CSV timestamp,model
          --history FILE…      other services' past, to learn the common law of gaps from (default: a neutral one of made-up services, learnt on)
          --folds N            learn from the other services of the same files: N groups, each scored with what the others taught
          --policies A,B       of learned, hybrid, fixed, knative (default all), and unguarded: the forecast alone
          --patience S,S…      idle pod-seconds that one avoided cold start is worth; a row for each (default: a sweep from 12 s to 18 days)
          --min-arrivals N     leave out services with fewer arrivals, of the history too (default 1)
          --tiers PRICES.json  two tiers, the cache and the pod, with their load times and prices; see docs/backtest.md
          --bootstrap N        also compares the fronts, with 90 % intervals from N draws of the services (10 to 100000)
          --csv OUT            a row per policy and setting (default: a table on standard output)
          --decisions OUT      JSONL(.gz): for every gap the windows that were chosen
          --plot OUT.svg       the fronts: cold starts against waste

        """;

    private const int Many = 1_000_000_000;
    private const int MostDraws = 100_000;

    private static readonly string[] Usual = ["learned", "hybrid", "fixed", "knative"];
    private static readonly string[] Known = [.. Usual, "unguarded"];

    public List<string> Files { get; } = [];

    public List<string> History { get; } = [];

    public int Folds { get; private set; }

    public string[] Policies { get; private set; } = Usual;

    public double[] Patience { get; private set; } = WindowRule.Sweep;

    public int MinArrivals { get; private set; } = 1;

    /// <summary>Draws of the services; 0 = no intervals.</summary>
    public int Bootstrap { get; private set; }

    /// <summary>A prices file.</summary>
    public string? Tiers { get; private set; }

    public string? Csv { get; private set; }

    public string? Decisions { get; private set; }

    public string? Plot { get; private set; }

    /// <summary>What is read, each with the option that says so.</summary>
    public IEnumerable<(string Option, string Path)> Inputs =>
        [.. Files.Select(f => ("a trace", f)), .. History.Select(f => ("--history", f)), .. Given(("--tiers", Tiers))];

    /// <summary>What is written.</summary>
    public IEnumerable<(string Option, string Path)> Outputs => Given(("--csv", Csv), ("--plot", Plot), ("--decisions", Decisions));

    /// <summary>Reads the words after <c>backtest</c>.</summary>
    /// <exception cref="FormatException">A word is unknown, or its value is; the message names it.</exception>
    public static BacktestOptions Parse(IReadOnlyList<string> args)
    {
        var options = new BacktestOptions();
        var files = options.Files;
        var forOne = new List<string>();
        for (var i = 0; i < args.Count; i++)
        {
            switch (args[i])
            {
                case "--history":
                    files = options.History;
                    Value(args, i);
                    break;
                case "--folds":
                    options.Folds = Whole(args, ref i, 2, Many);
                    break;
                case "--policies":
                    options.Policies = Value(args, i++).Split(',');
                    forOne.Add("--policies");
                    break;
                case "--patience":
                    var list = Value(args, i++);
                    options.Patience = [.. list.Split(',').Select(Seconds)];
                    forOne.Add("--patience");
                    break;
                case "--min-arrivals":
                    options.MinArrivals = Whole(args, ref i, 1, Many);
                    break;
                case "--tiers":
                    options.Tiers = Value(args, i++);
                    break;
                case "--bootstrap":
                    options.Bootstrap = Whole(args, ref i, 10, MostDraws);
                    forOne.Add("--bootstrap");
                    break;
                case "--csv":
                    options.Csv = Value(args, i++);
                    break;
                case "--decisions":
                    options.Decisions = Value(args, i++);
                    forOne.Add("--decisions");
                    break;
                case "--plot":
                    options.Plot = Value(args, i++);
                    break;
                case "":
                    throw new FormatException(files == options.History ? "--history has an empty name: give a file" : "the name of a trace is empty: give a file");
                case var word when word.StartsWith('-'):
                    throw new FormatException($"unknown option: {word}");
                case var file:
                    files.Add(file);
                    continue;
            }

            files = args[i] == "--history" ? options.History : options.Files;
        }

        if (options.Policies.FirstOrDefault(p => !Known.Contains(p)) is { } policy)
        {
            throw new FormatException($"unknown policy: {(policy.Length > 0 ? policy : "\"\"")} (known: {string.Join(", ", Known)})");
        }

        if (options.Folds > 0 && options.History.Count > 0)
        {
            throw new FormatException("--folds and --history exclude each other");
        }

        if (options.Tiers is not null && forOne.Count > 0)
        {
            throw new FormatException($"{forOne[0]} is for one tier and does not go with --tiers: leave it out");
        }

        return options.Files.Count > 0 ? options : throw new FormatException("no trace is given");
    }

    private static IEnumerable<(string Option, string Path)> Given(params (string Option, string? Path)[] options) =>
        options.Where(o => o.Path is not null).Select(o => (o.Option, o.Path!));

    private static string Value(IReadOnlyList<string> args, int i) =>
        i + 1 == args.Count || args[i + 1].StartsWith("--", StringComparison.Ordinal) ? throw new FormatException($"{args[i]} wants a value")
            : args[i + 1].Length > 0 ? args[i + 1] : throw new FormatException($"{args[i]} wants a value, and \"\" is none");

    private static int Whole(IReadOnlyList<string> args, ref int i, int least, int most)
    {
        var name = args[i];
        var text = Value(args, i++);
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw new FormatException($"{name} wants a whole number from {least} to {most}, not \"{text}\"");
    }

    private static double Seconds(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value > 0 && double.IsFinite(value)
            ? value
            : throw new FormatException($"--patience wants seconds above 0, not \"{text}\"");
}
