using System.ComponentModel;
using System.Diagnostics;

namespace Prewarm.Sandbox.Running;

/// <summary>Stock kubectl.</summary>
internal sealed class KubectlProgram(string kubeconfig)
{
    /// <param name="input">Its standard input; null for none.</param>
    /// <returns>Its standard output.</returns>
    /// <exception cref="InvalidOperationException">It is not there, or it failed; the message has what it said.</exception>
    public async Task<string> RunAsync(string? input, CancellationToken cancellationToken, params string[] args)
    {
        // Its cache of what a server offers is kept by address, and a port may be another server's tomorrow.
        var cache = Path.Combine(Path.GetDirectoryName(kubeconfig)!, "kubectl-cache");
        var start = new ProcessStartInfo("kubectl", ["--kubeconfig", kubeconfig, "--cache-dir", cache, .. args])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process started;
        try
        {
            started = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException("--deploy needs kubectl on the PATH", e);
        }

        using var process = started;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
            await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken);
            process.StandardInput.Close();
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"kubectl {string.Join(' ', args)}: {await errors}");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
