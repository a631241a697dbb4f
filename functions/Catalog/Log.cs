using Microsoft.Extensions.Logging;

namespace Prewarm.Functions.Catalog;

/// <summary>Event ids 200–299.</summary>
internal static partial class Log
{
    [LoggerMessage(200, LogLevel.Information, "Catalog: {Count} CachedModels listed in {Scope}")]
    public static partial void Listed(ILogger logger, int count, string scope);
}
