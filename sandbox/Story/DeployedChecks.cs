using Prewarm.Sandbox.Running;

namespace Prewarm.Sandbox.Story;

/// <summary>What must also hold where the functions run under the rights and Triggers of the manifests.</summary>
internal static class DeployedChecks
{
    public static Task<string> NothingGivenUpAsync(SandboxSystem system) => system.DeadLetters is 0
        ? Task.FromResult("the dead letters are empty")
        : throw new InvalidOperationException($"{system.DeadLetters} events ended in the dead letters");

    /// <summary>A role that lacks a right says so in its log, in the API server's words.</summary>
    public static Task<string> NothingRefusedAsync(SandboxSystem system)
    {
        var logs = Directory.GetFiles(system.Root, "prewarm-*.log");
        var refused = logs.SelectMany(Lines).Where(l => l.Contains("is forbidden: User", StringComparison.Ordinal)).ToList();
        return refused.Count == 0
            ? Task.FromResult($"{logs.Length} logs")
            : throw new InvalidOperationException($"{refused.Count} times, first: {refused[0].Trim()}");
    }

    // The roles still write to them.
    private static List<string> Lines(string file)
    {
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var lines = new List<string>();
        while (reader.ReadLine() is { } line)
        {
            lines.Add(line);
        }

        return lines;
    }
}
