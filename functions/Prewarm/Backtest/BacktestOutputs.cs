using System.Runtime.InteropServices;

namespace Prewarm.Functions.Prewarm;

/// <summary>The files that a run writes. Until everything is in them they have another name beside their own, so a run that is broken off leaves what was there before.</summary>
internal sealed class BacktestOutputs : IDisposable
{
    private readonly List<(string Part, string Path)> parts = [];
    private readonly PosixSignalRegistration[] signals;

    /// <summary>Opens them all: what cannot be written is said before minutes of work.</summary>
    /// <exception cref="FormatException">A path cannot be an output; the message names the option, the path and the fix.</exception>
    public BacktestOutputs(BacktestOptions options)
    {
        Check(options);
        signals = [.. ((PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP]).Select(s => PosixSignalRegistration.Create(s, _ => Delete()))];
        try
        {
            Csv = Open("--csv", options.Csv);
            Plot = Open("--plot", options.Plot);
            Decisions = Open("--decisions", options.Decisions);
        }
        catch (FormatException)
        {
            Dispose();
            throw;
        }
    }

    public Stream? Csv { get; }

    public Stream? Plot { get; }

    public Stream? Decisions { get; }

    /// <summary>Closes them and gives them their names.</summary>
    public void Keep()
    {
        Close();
        foreach (var (part, path) in parts)
        {
            File.Move(part, path, overwrite: true);
        }

        parts.Clear();
    }

    public void Dispose()
    {
        Close();
        Delete();
        foreach (var signal in signals)
        {
            signal.Dispose();
        }
    }

    private void Close()
    {
        Csv?.Dispose();
        Plot?.Dispose();
        Decisions?.Dispose();
    }

    private void Delete()
    {
        foreach (var (part, _) in parts)
        {
            File.Delete(part);
        }
    }

    private FileStream? Open(string option, string? path)
    {
        if (path is null)
        {
            return null;
        }

        try
        {
            if (IsDevice(path))
            {
                return new FileStream(path, FileMode.Open, FileAccess.Write);
            }

            var real = Real(path);
            var part = $"{real}.{Environment.ProcessId}.part";
            var stream = File.Create(part);
            parts.Add((part, real));
            return stream;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FormatException($"{option} {path} cannot be written ({e.Message}): give a file in a folder that you may write to", e);
        }
    }

    private static void Check(BacktestOptions options)
    {
        var taken = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (option, path) in options.Inputs)
        {
            taken.TryAdd(Real(path), option);
        }

        foreach (var (option, path) in options.Outputs)
        {
            if (Directory.Exists(path))
            {
                throw new FormatException($"{option} {path} is a folder: give a file in it");
            }

            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
            {
                throw new FormatException($"{option} {path}: there is no folder {folder}: make it, or give another file");
            }

            if (!IsDevice(path) && !taken.TryAdd(Real(path), option))
            {
                throw new FormatException($"{option} {path} is the same file as that of {taken[Real(path)]}: give another one");
            }
        }
    }

    // /dev/stdout or /dev/null: nothing that could be replaced.
    private static bool IsDevice(string path) => Path.GetFullPath(path) is var full && (full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal));

    /// <summary>Where it is behind links, of its folders too; it need not be there.</summary>
    private static string Real(string path)
    {
        var full = Path.GetFullPath(path);
        if (IsDevice(full) || Path.GetDirectoryName(full) is not { } folder)
        {
            return full;
        }

        var file = new FileInfo(Path.Combine(Real(folder), Path.GetFileName(full)));
        return file.LinkTarget is null ? file.FullName : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
    }
}
