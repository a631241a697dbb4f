using System.Runtime.CompilerServices;

namespace Prewarm.Sandbox;

/// <summary>
/// Dozens of small servers run in one process here, and each would watch an appsettings.json that is not there:
/// inotify instances are few (128 for all processes of a user by default).
/// </summary>
internal static class NoFileWatches
{
    [ModuleInitializer]
    internal static void Set()
    {
        Environment.SetEnvironmentVariable("DOTNET_hostBuilder__reloadConfigOnChange", "false");
        Environment.SetEnvironmentVariable("ASPNETCORE_hostBuilder__reloadConfigOnChange", "false");
    }
}
