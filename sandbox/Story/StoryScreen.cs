using Spectre.Console;

namespace Prewarm.Sandbox.Story;

/// <summary>What a person sees of the story.</summary>
internal sealed class StoryScreen
{
    public StoryScreen()
    {
        if (Console.IsOutputRedirected)
        {
            // A file has no width: one line stays one line.
            AnsiConsole.Profile.Width = 500;
        }
    }

    public void Title(string text) => AnsiConsole.MarkupLineInterpolated($"[bold]{text}[/]");

    public void Line(string text) => AnsiConsole.MarkupLineInterpolated($"   [grey]{text}[/]");

    public void Passed(StoryStep step) => AnsiConsole.MarkupLineInterpolated($" [green]✓[/] {step.Name} [grey]{StoryReport.Seconds(step.Seconds)}  {step.Detail}[/]");

    public void Failed(StoryStep step) => AnsiConsole.MarkupLineInterpolated($" [red]✗ {step.Name}[/] {StoryReport.Seconds(step.Seconds)}  {step.Detail}");

    /// <summary>Shows a share that grows until <paramref name="look"/> gives 1.</summary>
    /// <param name="look">The share done, 0 to 1.</param>
    public async Task ProgressAsync(string what, Func<Task<double>> look, CancellationToken cancellationToken)
    {
        await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn()).StartAsync(async context =>
        {
            var task = context.AddTask(what);
            while (!task.IsFinished)
            {
                task.Value = 100 * await look();
                if (!task.IsFinished)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
                }
            }
        });
    }

    public void Timeline(StoryReport report)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("measured").AddColumn(new TableColumn("seconds").RightAligned());
        foreach (var (name, seconds) in report.Timings)
        {
            table.AddRow(Markup.Escape(name), StoryReport.Seconds(seconds));
        }

        AnsiConsole.Write(table);
        if (report.ColdBytes is { } cold && report.WarmBytes is { } warm)
        {
            AnsiConsole.MarkupLineInterpolated($"Read from the object store: cold start [bold]{cold:N0}[/] bytes, warm start [bold]{warm:N0}[/] bytes.");
        }

        var failed = report.Steps.Count(s => !s.Passed);
        AnsiConsole.MarkupLineInterpolated($"{(report.Passed ? "Every step passed." : $"{failed} of {report.Steps.Count} steps failed.")}");
    }

    /// <summary>The end of the logs, for a run that nobody watches.</summary>
    public void Logs(string root)
    {
        foreach (var log in Directory.EnumerateFiles(root, "*.log"))
        {
            Title($"The end of {Path.GetFileName(log)}");
            foreach (var line in File.ReadLines(log).TakeLast(40))
            {
                Console.WriteLine("   " + line);
            }
        }
    }
}
