using Prewarm.Tests.Scenarios.Acceptance;
using Xunit;

[assembly: AssemblyFixture(typeof(SharedSandbox))]

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// One <c>sandbox up</c> for all stories that need no other: started by the first, ended after the last. Each has a namespace and a bucket of its own.
/// PREWARM_TEST_KUBECONFIG names an API server to use instead of the sandbox's own.
/// </summary>
public sealed class SharedSandbox : IAsyncDisposable
{
    private readonly Lazy<Task<SandboxUp>> _up = new(() => SandboxUp.StartAsync(
        ["--remote-mbps", "400", "--scale-to-zero", "5", "--pod-start", "0.2", .. Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG") is { Length: > 0 } file ? (string[])["--kubeconfig", file] : []]));

    internal async Task<UserWorld> WorldAsync(string ns)
    {
        var world = new UserWorld(await _up.Value, ns, $"b-{ns}"[..Math.Min(ns.Length + 2, 50)]);
        await world.PrepareAsync();
        return world;
    }

    public async ValueTask DisposeAsync()
    {
        if (_up.IsValueCreated)
        {
            await (await _up.Value).DisposeAsync();
        }
    }
}
