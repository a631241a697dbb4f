namespace Prewarm.Tests.Benchmarks.Startup;

/// <summary>One way to start.</summary>
/// <param name="Name">As the table says it.</param>
/// <param name="Folder">Its publish folder.</param>
/// <param name="Program">The file to run: an executable or a .dll.</param>
/// <param name="Ready">Whether it has /readyz, which is 200 once the CachedModels are listed.</param>
internal sealed record Contender(string Name, string Folder, string Program, IReadOnlyDictionary<string, string> Environment, bool Ready)
{
    public List<StartupReading> Readings { get; } = [];
}

/// <summary>One start.</summary>
/// <param name="FirstAnswerMs">From before the process exists to the last byte of a 200 from /healthz.</param>
/// <param name="CpuMs">Processor time until then.</param>
/// <param name="ReadyMs">To a 200 from /readyz; null where there is none.</param>
/// <param name="ResidentMiB">A second after the first answer.</param>
internal sealed record StartupReading(double FirstAnswerMs, double CpuMs, double? ReadyMs, double ResidentMiB);
