using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Prewarm.Tests.Benchmarks;
using Prewarm.Tests.Benchmarks.Line;
using Prewarm.Tests.Benchmarks.Relay;
using Prewarm.Tests.Benchmarks.Running;
using Prewarm.Tests.Benchmarks.Scale;
using Prewarm.Tests.Benchmarks.Startup;

Command[] commands =
[
    new("startup", "start-up of the functions beside a bare ASP.NET Core program; publishes what is not given", ["rounds N", "functions-aot DIR", "functions-jit DIR", "floor DIR", "roles true"], a => StartupCommand.RunAsync(a, CancellationToken.None)),
    new("line", "from an upload's last event to its DataLoad; 4 s an upload", ["uploads N", "functions FILE"], a => LineCommand.RunAsync(a, CancellationToken.None)),
    new("memory", "resident memory beside models that serve, at rest and with a sweep", ["models N", "functions FILE"], a => MemoryCommand.RunAsync(a, CancellationToken.None)),
    new("relay", "the warm relay beside YARP alone, nginx and no proxy", ["rounds N", "seconds N", "connections N", "warmup SECONDS", "functions FILE", "nginx FILE", "only SCENARIO", "proxies A,B", "beside FILE"], RelayBenchmark.RunAsync),
    new("scale", "from the autoscaler's write to the verdict", ["rate N", "seconds N", "warm N"], a => ScaleCommand.RunAsync(a, CancellationToken.None)),
    new("replan", "100,000 models decided anew", [], _ => Task.FromResult(ReplanMeasure.Run())),
];

switch (args)
{
    case [var name, .. var words] when Array.Find(commands, c => c.Name == name) is { } command:
        return await command.RunAsync(words);
    // Not measurements: a part of one, and what the forecast begins with.
    case ["bare-yarp", var upstream]:
        await BareYarp.RunAsync(upstream);
        return 0;
    case ["prior", var path]:
        return NeutralPrior.Write(path);
    case [] or ["--help" or "-h" or "-?", ..]:
        Console.WriteLine(string.Join('\n', [.. commands.Select(c => c.Usage()), "--filter PATTERN and what else BenchmarkDotNet knows\n    the rest: --list flat names it"]));
        return 0;
    default:
        // The rest is BenchmarkDotNet's: --filter '*Planner*' and so on.
        var config = DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
        BenchmarkSwitcher.FromAssembly(typeof(DecisionBenchmark).Assembly).Run(args, config);
        return 0;
}
