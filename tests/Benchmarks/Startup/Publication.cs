using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Prewarm.Tests.Benchmarks.Startup;

/// <summary>Publishes a project of this repository as a user would.</summary>
internal static class Publication
{
    /// <summary>The repository's root, found from where this program lies.</summary>
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    public static async Task PublishAsync(string project, string to, bool native, CancellationToken cancellationToken)
    {
        Console.Error.WriteLine($"publishing {project}{(native ? " ahead of time" : "")} …");
        string[] words = ["publish", Path.Combine(Root, project), "-c", "Release", "-o", to, "-v", "q"];
        if (native)
        {
            words = [.. words, "-r", RuntimeInformation.RuntimeIdentifier, "-p:PublishAot=true"];
        }

        using var process = Process.Start(new ProcessStartInfo("dotnet", words) { RedirectStandardOutput = true })!;
        var said = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"dotnet {string.Join(' ', words)} ended with {process.ExitCode}:\n{said}");
        }
    }

    /// <summary>MiB of what a container would hold: no debug symbols, no function.json folders.</summary>
    public static double SizeMiB(string folder) =>
        new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)
            .Where(f => f.Extension is not (".dbg" or ".pdb") && f.Name != "function.json").Sum(f => f.Length) / 1048576.0;

    private static string Find(string from)
    {
        var folder = new DirectoryInfo(from);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Functions.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException($"{from} is not inside the repository");
    }
}
