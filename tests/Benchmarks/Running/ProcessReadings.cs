using System.Globalization;

namespace Prewarm.Tests.Benchmarks.Running;

/// <summary>What Linux counts about a process (proc(5)).</summary>
internal static class ProcessReadings
{
    /// <summary>Resident memory in MiB: VmRSS now, or the most there has been.</summary>
    public static double ResidentMiB(int process, bool peak = false)
    {
        var name = peak ? "VmHWM:" : "VmRSS:";
        var line = File.ReadLines($"/proc/{process}/status").First(l => l.StartsWith(name, StringComparison.Ordinal));
        return double.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>
    /// Milliseconds of processor time of the threads that are alive. schedstat counts nanoseconds, stat only hundredths of a second;
    /// threads that have ended meanwhile are in neither of these files, and a start ends none that matter.
    /// </summary>
    public static double CpuMs(int process) =>
        Directory.EnumerateDirectories($"/proc/{process}/task")
            .Sum(task => double.Parse(File.ReadAllText($"{task}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture)) / 1e6;
}
