using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>Event ids 600–699.</summary>
internal static partial class Log
{
    [LoggerMessage(600, LogLevel.Information, "{Model}: phase {Before} -> {After}")]
    public static partial void PhaseChanged(ILogger logger, ModelKey model, string before, string after);

    [LoggerMessage(601, LogLevel.Information, "{Model}: DataLoad {Load} started")]
    public static partial void LoadStarted(ILogger logger, ModelKey model, string load);

    [LoggerMessage(602, LogLevel.Warning, "{Model}: will look again: {Message}")]
    public static partial void PassDeferred(ILogger logger, ModelKey model, string message);

    [LoggerMessage(603, LogLevel.Error, "{Model}: the API server refused ({Reason}): {Message}")]
    public static partial void PassRefused(ILogger logger, ModelKey model, string reason, string message);

    [LoggerMessage(606, LogLevel.Warning, "{Model}: the Event {Reason} could not be written: {Message}")]
    public static partial void EventUnwritten(ILogger logger, ModelKey model, string reason, string message);

    [LoggerMessage(605, LogLevel.Error, "{Model}: a look failed in a way nobody foresaw")]
    public static partial void LookFailed(ILogger logger, ModelKey model, Exception exception);

    [LoggerMessage(604, LogLevel.Information, "event on {Source} refused: {Reason}")]
    public static partial void EventRefused(ILogger logger, string source, string reason);
}
