using System.Net.Sockets;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Prewarm.Functions.Operate;

/// <summary>Serves until the process is asked to end.</summary>
internal static class ServeCommand
{
    /// <returns>0 when it was asked to end; 2 for a setting that cannot be, 1 when it cannot listen.</returns>
    public static async Task<int> RunAsync(FunctionsApplicationBuilder builder, TextWriter errors)
    {
        IHost? host = null;
        try
        {
            host = builder.Build();
            await host.StartAsync();
        }
        catch (Exception e) when (Problems(e, builder.Configuration) is { Count: > 0 } problems)
        {
            if (host is IAsyncDisposable started)
            {
                await started.DisposeAsync();
            }

            foreach (var problem in problems)
            {
                await errors.WriteLineAsync(problem);
            }

            return e is IOException or SocketException ? 1 : 2;
        }

        await using (host as IAsyncDisposable)
        {
            await host.WaitForShutdownAsync();
            return 0;
        }
    }

    /// <summary>What is wrong, a line each; empty: no setting is, but this program.</summary>
    internal static IReadOnlyList<string> Problems(Exception e, IConfiguration configuration) => e switch
    {
        OptionsValidationException invalid => [.. invalid.Failures.Select(f => WithValue(f, configuration))],
        AggregateException several => [.. several.InnerExceptions.SelectMany(i => Problems(i, configuration)).Distinct(StringComparer.Ordinal)],
        FormatException or InvalidOperationException or IOException or SocketException => [e.Message.ReplaceLineEndings(" ")],
        _ => [],
    };

    // Validation sees what a setting was read as. Its message begins with the variable; a key is a secret.
    private static string WithValue(string problem, IConfiguration configuration)
    {
        var name = problem.Split(' ')[0];
        return configuration[name.Replace("__", ":", StringComparison.Ordinal)] is { Length: > 0 } value && !name.EndsWith("Key", StringComparison.Ordinal) && !problem.Contains(value, StringComparison.Ordinal)
            ? $"{name} is '{value}': {problem}" : problem;
    }
}
