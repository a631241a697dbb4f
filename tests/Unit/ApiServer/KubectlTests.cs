using System.Diagnostics;
using Prewarm.Sandbox.ApiServer;
using Xunit;
using Server = Prewarm.Sandbox.ApiServer.ApiServer;

namespace Prewarm.Tests.Unit.ApiServer;

public sealed class KubectlTests
{
    private const string Manifest = """
        apiVersion: prewarm.dev/v1alpha1
        kind: CachedModel
        metadata: { name: bloom, namespace: default }
        spec: { source: { uri: oss://b/m, endpoint: e }, serving: { modelName: bloom } }
        """;

    [Fact]
    public async Task Kubectl_WholeRound_Works()
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(p => Path.Combine(p, "kubectl")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, "kubectl is not on the PATH");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        await using var server = await Server.StartAsync(new(), deadline.Token);
        var home = Directory.CreateTempSubdirectory("kubectl");
        try
        {
            var config = server.WriteKubeconfig(Path.Combine(home.FullName, "config"));
            var file = Path.Combine(home.FullName, "model.yaml");
            await File.WriteAllTextAsync(file, Manifest, deadline.Token);
            async Task<string> RunAsync(string arguments)
            {
                var start = new ProcessStartInfo(path!, $"--kubeconfig {config} --cache-dir {home.FullName}/cache {arguments}") { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
                using var process = Process.Start(start)!;
                var (output, error) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
                await process.WaitForExitAsync(deadline.Token);
                Assert.True(process.ExitCode == 0, $"kubectl {arguments}: {await output}{await error}");
                return await output;
            }

            Assert.Contains("serverside-applied", await RunAsync($"apply --server-side -f {file}"), StringComparison.Ordinal);
            Assert.Contains("WARMTH", await RunAsync("get cm8l"), StringComparison.Ordinal);
            Assert.Contains("oss://b/m", await RunAsync("describe cm8l bloom"), StringComparison.Ordinal);
            Assert.Contains("condition met", await RunAsync("wait --timeout=20s --for=condition=Established crd/cachedmodels.prewarm.dev"), StringComparison.Ordinal);
            Assert.Contains("yes", await RunAsync("auth can-i create secrets"), StringComparison.Ordinal);
            Assert.Contains("deleted", await RunAsync("delete cm8l bloom --timeout=20s"), StringComparison.Ordinal);
            await RunAsync("get dataset,jindoruntime,dataload,inferenceservice,ksvc,pods");
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }
}
