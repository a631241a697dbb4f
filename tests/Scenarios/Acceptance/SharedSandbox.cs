using Prewarm.Tests.Scenarios.Acceptance;
using Xunit;

[assembly: AssemblyFixture(typeof(SharedSandbox))]

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// One <c>sandbox up</c> for all stories that need no other: started by the first, ended after the last. Each has a namespace and a bucket of its own.
/// PREWARM_TEST_KUBECONFIG names an API server to use instead of the sandbox's own; there the functions are deployed from <c>knative/</c> and
/// <c>eventing/</c>, so that every role has the rights of its ServiceAccount in the namespaces that are listed, and no others.
/// </summary>
public sealed class SharedSandbox : IAsyncDisposable
{
    /// <summary>Those that a story names in what it expects.</summary>
    private static readonly string[] s_named = ["terminal", "relay-one", "relay-two", TutorialFieldsTests.Ns];
    private static readonly string[] s_spare = [.. Enumerable.Range(1, 28).Select(i => $"story-{i}")];
    private static readonly string? s_kubeconfig = Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG") is { Length: > 0 } file ? file : null;

    private readonly string? _manifests = s_kubeconfig is null ? null : OwnNamespaces.Write([.. s_named, .. s_spare], KubectlTests.LaterSecret);
    private readonly Lazy<Task<SandboxUp>> _up;
    private int _given;

    public SharedSandbox() => _up = new(() => SandboxUp.StartAsync(
        ["--remote-mbps", "400", "--scale-to-zero", "5", "--pod-start", "0.2", .. s_kubeconfig is null ? (string[])[] : ["--kubeconfig", s_kubeconfig, "--deploy", _manifests!]]));

    /// <param name="ns">The namespace's name; where the functions are deployed, a story that does not name it in what it expects may get another.</param>
    internal async Task<UserWorld> WorldAsync(string ns)
    {
        var name = _manifests is null || s_named.Contains(ns) ? ns : s_spare[Interlocked.Increment(ref _given) - 1];
        var world = new UserWorld(await _up.Value, name, $"b-{name}"[..Math.Min(name.Length + 2, 50)], deployed: _manifests is not null);
        await world.PrepareAsync();
        return world;
    }

    public async ValueTask DisposeAsync()
    {
        if (_up.IsValueCreated)
        {
            await (await _up.Value).DisposeAsync();
        }

        if (_manifests is not null)
        {
            Directory.Delete(_manifests, recursive: true);
        }
    }
}
