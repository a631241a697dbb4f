using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary><c>functions doctor [--json]</c>: the same from a terminal, with the rights of whoever runs it.</summary>
internal static class DoctorCommand
{
    private static readonly TimeSpan ReportLimit = TimeSpan.FromSeconds(60);

    /// <returns>0 without errors, 1 with errors, 2 for arguments that are not understood.</returns>
    public static int Run(IReadOnlyList<string> args, IServiceCollection services, TextWriter output, TextWriter errors)
    {
        if (args is not ([] or ["--json"]))
        {
            errors.WriteLine($"doctor takes --json and nothing else, not {string.Join(' ', args)}; settings are environment variables, as when serving");
            return 2;
        }

        using var provider = services.BuildServiceProvider();
        using var limit = new CancellationTokenSource(ReportLimit);
        DoctorReport report;
        try
        {
            report = provider.GetRequiredService<DoctorClient>().ReportAsync(serving: false, limit.Token).GetAwaiter().GetResult();
        }
        catch (InvalidOperationException e)
        {
            // No kubeconfig, or one that does not verify the server.
            errors.WriteLine(e.Message);
            return 1;
        }

        if (args is ["--json"])
        {
            output.WriteLine(JsonSerializer.Serialize(report, DoctorJsonContext.Default.DoctorReport));
        }
        else
        {
            Diagnosis.Write(report, output);
        }

        return report.Healthy ? 0 : 1;
    }
}
