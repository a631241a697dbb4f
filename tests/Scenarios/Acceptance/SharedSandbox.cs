using Prewarm.Tests.Scenarios.Acceptance;
using Xunit;

[assembly: AssemblyFixture(typeof(SharedSandbox))]

namespace Prewarm.Tests.Scenarios.Acceptance;

/// <summary>
/// One <c>sandbox up</c> for all stories that need no other: started by the first, ended after the last. Each has a namespace and a bucket of its own.
/// </summary>
public sealed class SharedSandbox : IAsyncDisposable
{
    /// <summary>Those that a story names in what it expects.</summary>
    private static readonly string[] s_named = ["terminal", "relay-one", "relay-two", TutorialFieldsTests.Ns];
    private static readonly string[] s_spare = [.. Enumerable.Range(1, 28).Select(i => $"story-{i}")];

    private readonly Lazy<Task<SandboxUp>> _up = new(() => SandboxUp.StartAsync([.. s_named, .. s_spare], "--remote-mbps", "400", "--scale-to-zero", "5", "--pod-start", "0.2"));
    private int _given;

    /// <param name="ns">The namespace's name; where the functions are deployed, a story that does not name it in what it expects may get another.</param>
    internal async Task<UserWorld> WorldAsync(string ns)
    {
        var sandbox = await _up.Value;
        var name = !sandbox.Deployed || s_named.Contains(ns) ? ns : s_spare[Interlocked.Increment(ref _given) - 1];
        var world = new UserWorld(sandbox, name, $"b-{name}"[..Math.Min(name.Length + 2, 50)]);
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
