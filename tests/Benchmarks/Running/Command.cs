namespace Prewarm.Tests.Benchmarks.Running;

/// <summary>One measurement of this program's own.</summary>
/// <param name="Options">What may follow, as <c>name VALUE</c>.</param>
/// <param name="Run">Returns the exit code.</param>
internal sealed record Command(string Name, string About, string[] Options, Func<Arguments, Task<int>> Run)
{
    /// <returns>0 done, 1 failed, 2 the words cannot be meant.</returns>
    public async Task<int> RunAsync(string[] words)
    {
        if (words.Any(w => w is "--help" or "-h" or "-?"))
        {
            Console.WriteLine(Usage());
            return 0;
        }

        try
        {
            return await Run(new(words, Options.Select(o => o.Split(' ')[0])));
        }
        catch (ArgumentException e) when (e.ParamName is null)
        {
            await Console.Error.WriteLineAsync($"{e.Message}\n{Usage()}");
            return 2;
        }
    }

    public string Usage() => string.Join(' ', [Name, .. Options.Select(o => $"[--{o}]")]) + "\n    " + About;
}
