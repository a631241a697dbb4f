using Microsoft.Extensions.Logging;

namespace Prewarm.Functions.Kubernetes;

/// <summary>Event ids 100–199.</summary>
internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Warning, "Watching {Kind} in {Namespace} failed ({Failures} in a row), next try in {Delay}: {Message}")]
    public static partial void WatchFailed(ILogger logger, string kind, string @namespace, int failures, TimeSpan delay, string message);

    [LoggerMessage(101, LogLevel.Information, "Watch of {Kind} in {Namespace} expired; listing again")]
    public static partial void WatchExpired(ILogger logger, string kind, string @namespace);
}
