using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.ApiServer;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Stock kubectl, where there is one; without it a test is skipped and says so.</summary>
internal static class Kubectl
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private static readonly ConcurrentDictionary<string, Lazy<Task<IReadOnlyList<JsonObject>>>> s_built = new(StringComparer.Ordinal);

    public static string? Program { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(p => Path.Combine(p, "kubectl")).FirstOrDefault(File.Exists);

    public static void OrSkip() => Assert.SkipWhen(Program is null, "kubectl is not on the PATH");

    /// <summary>The objects of one kustomization or of several, joined by a plus sign. Built once; not to be changed.</summary>
    public static async Task<IReadOnlyList<JsonObject>> BuildAsync(string folders)
    {
        OrSkip();
        var parts = await Task.WhenAll(folders.Split('+').Select(f => s_built.GetOrAdd(f, folder => new(() => BuildOneAsync(folder))).Value));
        return [.. parts.SelectMany(p => p)];
    }

    public static async Task<(int Code, string Output, string Errors)> RunAsync(params string[] args)
    {
        using var limit = new CancellationTokenSource(s_limit, TimeProvider.System);
        using var process = Process.Start(new ProcessStartInfo(Program!, args) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = ManifestFolder.Root })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException e)
        {
            process.Kill();
            throw new TimeoutException($"kubectl {string.Join(' ', args)} took longer than {s_limit.TotalSeconds} s", e);
        }
    }

    private static async Task<IReadOnlyList<JsonObject>> BuildOneAsync(string folder)
    {
        var (code, output, errors) = await RunAsync("kustomize", folder);
        Assert.True(code == 0, $"kubectl kustomize {folder}: {errors}");
        return [.. Yaml.Documents(output)];
    }
}
