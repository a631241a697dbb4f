using Microsoft.Extensions.Logging;

namespace Prewarm.Functions.Catalog;

/// <summary>Event ids 200–299.</summary>
internal static partial class Log
{
    [LoggerMessage(200, LogLevel.Information, "Catalog: {Count} CachedModels listed in {Scope}")]
    public static partial void Listed(ILogger logger, int count, string scope);

    [LoggerMessage(201, LogLevel.Warning, "Catalog: {Scope} cannot be watched, trying again in {Delay}: {Message}")]
    public static partial void WatchFailed(ILogger logger, string scope, TimeSpan delay, string message);
}
