using System.Runtime.CompilerServices;

namespace Prewarm.Tests.Unit;

/// <summary>Hosts that tests start without the sandbox watch no files either (see the sandbox's own).</summary>
internal static class NoFileWatches
{
    [ModuleInitializer]
    internal static void Set() => Sandbox.NoFileWatches.Set();
}
