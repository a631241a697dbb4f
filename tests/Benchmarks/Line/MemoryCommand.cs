using System.Globalization;
using Prewarm.Functions.Catalog;
using Prewarm.Tests.Benchmarks.Running;

namespace Prewarm.Tests.Benchmarks.Line;

/// <summary>
/// <c>memory [--functions FILE] [--models N]</c>: N models are brought to Serving by the functions themselves (this program plays Fluid and KServe);
/// then each event role starts afresh beside them, with the environment that <c>knative/base</c> gives it, and a process that has all functions.
/// </summary>
internal static class MemoryCommand
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    public static async Task<int> RunAsync(Arguments arguments, CancellationToken cancellationToken)
    {
        var count = arguments.Number("models", 1000);
        var binary = arguments.Text("functions");
        await using var world = await LineWorldOnServer.StartAsync(cancellationToken);
        await world.StartFunctionsAsync(binary, null, cancellationToken);
        await new Fleet(world, count).ServeAsync(cancellationToken);

        Console.WriteLine($"| role, {count.ToString(CultureInfo.InvariantCulture)} models | RSS 10 s after the start, MiB | largest, MiB | after a sweep, MiB | largest with the sweep, MiB |");
        Console.WriteLine("|---|---|---|---|---|");
        await ShowAsync(world, binary, "cluster", RoleEnvironment.Of("cluster"), sweeps: true, cancellationToken);
        await ShowAsync(world, binary, "uploads", RoleEnvironment.Of("uploads"), sweeps: false, cancellationToken);
        await ShowAsync(world, binary, "all", null, sweeps: true, cancellationToken);

        return 0;
    }

    private static async Task ShowAsync(LineWorldOnServer world, string? binary, string role, IReadOnlyDictionary<string, string>? environment, bool sweeps, CancellationToken cancellationToken)
    {
        await world.StartFunctionsAsync(binary, environment, cancellationToken);
        await Task.Delay(Quiet, TimeProvider.System, cancellationToken);
        var id = world.Functions.Id;
        var (resident, most) = (ProcessReadings.ResidentMiB(id), ProcessReadings.ResidentMiB(id, peak: true));
        var (after, mostAfter) = ("–", "–");
        if (sweeps)
        {
            await world.SweepAsync(cancellationToken);
            await UntilIdleAsync(id, cancellationToken);
            (after, mostAfter) = (Number(ProcessReadings.ResidentMiB(id)), Number(ProcessReadings.ResidentMiB(id, peak: true)));
        }

        Console.WriteLine($"| {role} | {Number(resident)} | {Number(most)} | {after} | {mostAfter} |");
    }

    /// <summary>The sweep's event is answered before all its looks are done.</summary>
    private static async Task UntilIdleAsync(int process, CancellationToken cancellationToken)
    {
        for (double before = -1, now = ProcessReadings.CpuMs(process); now - before > 50; (before, now) = (now, ProcessReadings.CpuMs(process)))
        {
            await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, cancellationToken);
        }
    }

    private static string Number(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);
}
