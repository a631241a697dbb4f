namespace Prewarm.Sandbox.LanguageModel;

/// <summary><c>sandbox train TEXT DIR</c>: writes a model that the sandbox can serve.</summary>
internal static class TrainCommand
{
    /// <returns>The exit code: 0, or 1 with a line on standard error.</returns>
    public static int Run(string textFile, string directory)
    {
        try
        {
            Trainer.Train(File.ReadAllText(textFile), directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            Console.Error.WriteLine($"train: {e.Message}");
            return 1;
        }

        foreach (var file in new DirectoryInfo(directory).GetFiles().OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            Console.WriteLine($"{file.Length,12:N0}  {file.Name}");
        }

        return 0;
    }
}
