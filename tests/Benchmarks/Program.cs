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

switch (args)
{
    case ["startup", ..]:
        return await StartupCommand.RunAsync(new(args[1..]), CancellationToken.None);
    case ["line", ..]:
        return await LineCommand.RunAsync(new(args[1..]), CancellationToken.None);
    case ["memory", ..]:
        return await MemoryCommand.RunAsync(new(args[1..]), CancellationToken.None);
    case ["relay", .. var options]:
        await RelayBenchmark.RunAsync(options);
        return 0;
    case ["bare-yarp", var upstream]:
        await BareYarp.RunAsync(upstream);
        return 0;
    case ["scale", ..]:
        return await ScaleCommand.RunAsync(new(args[1..]), CancellationToken.None);
    case ["prior", var path]:
        return NeutralPrior.Write(path);
    case ["replan"]:
        return ReplanMeasure.Run();
    default:
        // The rest is BenchmarkDotNet's: --filter '*Planner*' and so on.
        var config = DefaultConfig.Instance.AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance));
        BenchmarkSwitcher.FromAssembly(typeof(DecisionBenchmark).Assembly).Run(args, config);
        return 0;
}
