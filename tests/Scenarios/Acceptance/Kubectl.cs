using System.Diagnostics;
using Xunit;

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>Stock kubectl with the sandbox's kubeconfig.</summary>
internal static class Kubectl
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(90);
    private static readonly string? s_path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(p => Path.Combine(p, "kubectl")).FirstOrDefault(File.Exists);

    public static void SkipWithout() => Assert.SkipWhen(s_path is null, "kubectl is not here");

    /// <summary>Runs a command in the world's namespace; fails unless it succeeds.</summary>
    public static async Task<string> RunAsync(UserWorld world, string arguments, string input = "")
    {
        using var process = Process.Start(new ProcessStartInfo(s_path!, $"--kubeconfig {world.Sandbox.Kubeconfig} --namespace {world.Namespace} {arguments}")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(s_limit, TimeProvider.System);
        await process.WaitForExitAsync(limit.Token);
        Assert.True(process.ExitCode == 0, $"kubectl {arguments}: {await output}{await errors}");
        return await output;
    }
}
