using Prewarm.Sandbox.Running;

namespace Prewarm.Sandbox.Story;

/// <summary>The default command: starts everything, plays the tutorial, says what was measured, and stays.</summary>
internal static class StoryCommand
{
    public static async Task<int> RunAsync(SandboxOptions options, bool once, string? reportFile, CancellationToken cancellationToken)
    {
        var screen = new StoryScreen();
        screen.Title("Starting");
        await using var system = await SandboxSystem.StartAsync(options, screen.Line, cancellationToken);
        var report = new StoryReport();
        try
        {
            await new TutorialStory(system, screen, report, options).RunAsync(cancellationToken);
        }
        finally
        {
            if (reportFile is not null)
            {
                await File.WriteAllTextAsync(reportFile, report.ToJson() + "\n", CancellationToken.None);
            }
        }

        screen.Timeline(report);
        if (once)
        {
            if (!report.Passed)
            {
                screen.Logs(system.Root);
            }

            return report.Passed ? 0 : 1;
        }

        Console.WriteLine(UpCommand.Where(system));
        Console.WriteLine("\nIt stays up until Ctrl-C.");
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C or SIGTERM.
        }

        return report.Passed ? 0 : 1;
    }
}
