using System.Diagnostics;
using System.Globalization;

namespace Prewarm.Tests.Benchmarks.Relay;

/// <summary>A proxy under measurement: a process, or none (direct).</summary>
internal sealed class Proxy(string name, Uri address, int? pid, bool managed, Func<ValueTask>? end) : IAsyncDisposable
{
    /// <summary>
    /// Milliseconds without new methods before hot ones are compiled anew. With its default of 100 the compiler is at work long into the measurement, the more the bigger the program:
    /// a third of the relay's CPU in the stream was the compiler's, after a minute of warm-up. With 0, for all alike, it is done in the warm-up.
    /// </summary>
    public const string Jit = "DOTNET_TC_CallCountingDelayMs";

    private static readonly HttpClient s_http = new();

    public string Name => name;
    public Uri Address => address;

    /// <summary>CPU time of the process and its children, microseconds, from /proc/PID/stat (proc(5): utime and stime in ticks of 10 ms).</summary>
    public double Cpu() => pid is { } id ? Ticks(id) * 10_000.0 : 0;

    /// <summary>Bytes that were ever allocated; null where nobody counts them.</summary>
    public async Task<double?> AllocatedAsync()
    {
        if (!managed)
        {
            return null;
        }

        var text = await s_http.GetStringAsync(new Uri(address, "/metrics"));
        var line = text.Split('\n').First(l => l.StartsWith("dotnet_allocated_bytes_total ", StringComparison.Ordinal));
        return double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    public ValueTask DisposeAsync() => end?.Invoke() ?? default;

    /// <summary>Starts a program that says "Listening on URL" in its output.</summary>
    public static async Task<Proxy> StartAsync(string name, bool managed, Uri? known, string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true };
        start.Environment["DOTNET_TieredPGO"] = "1";
        start.Environment[Jit] = "0";
        var process = Process.Start(start)!;
        var address = known;
        while (address is null)
        {
            const string listening = "Listening on ";
            var line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"{name} has ended");
            address = line.StartsWith(listening, StringComparison.Ordinal) ? new(line[listening.Length..]) : null;
        }

        return new(name, address, process.Id, managed, async () =>
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        });
    }

    private static long Ticks(int id)
    {
        long sum = 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out var other) && (other == id || Stat(other, 3) == id))
            {
                sum += Stat(other, 13) + Stat(other, 14);
            }
        }

        return sum;
    }

    /// <summary>A field of /proc/PID/stat by its number from 0; the name in parentheses may have spaces.</summary>
    private static long Stat(int id, int field)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{id}/stat");
            return long.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[field - 2], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
