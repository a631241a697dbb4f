using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Event ids 700–799.</summary>
internal static partial class Log
{
    [LoggerMessage(700, LogLevel.Warning, "{Model}: the gateway did not answer a prediction ({Error}): {Message}")]
    public static partial void ForwardFailed(ILogger logger, ModelKey model, string error, string message);

    [LoggerMessage(710, LogLevel.Information, "{Model}: wake begins, {Waiting} wait, scale {Level}")]
    public static partial void WakeBegins(ILogger logger, ModelKey model, int waiting, string level);

    [LoggerMessage(711, LogLevel.Information, "{Model}: wake passed after {Seconds} s and {Attempts} readiness requests, cache {Cache}, {Waiting} waited")]
    public static partial void WakePassed(ILogger logger, ModelKey model, double seconds, int attempts, string cache, int waiting);

    [LoggerMessage(712, LogLevel.Debug, "{Model}: readiness request {Attempt}: {Answer}")]
    public static partial void WakeRepeats(ILogger logger, ModelKey model, int attempt, string answer);

    [LoggerMessage(713, LogLevel.Warning, "{Model}: wake given up after {Seconds} s, nobody waits any more: {Answer}")]
    public static partial void WakeGivenUp(ILogger logger, ModelKey model, double seconds, string answer);

    [LoggerMessage(714, LogLevel.Error, "{Model}: the wake failed in a way nobody foresaw, and begins anew")]
    public static partial void WakeBroke(ILogger logger, ModelKey model, Exception exception);

    [LoggerMessage(715, LogLevel.Information, "{Model}: wake waits for the cache ({Locality}, {Reason}), for {Seconds} s at most")]
    public static partial void WakeWaitsForCache(ILogger logger, ModelKey model, string locality, string reason, double seconds);

    [LoggerMessage(716, LogLevel.Information, "{Model}: a load was asked for ({Locality}, {Reason})")]
    public static partial void LoadAskedFor(ILogger logger, ModelKey model, string locality, string reason);

    [LoggerMessage(717, LogLevel.Warning, "{Model}: no load could be asked for: {Message}")]
    public static partial void LoadNotAskedFor(ILogger logger, ModelKey model, string message);

    [LoggerMessage(718, LogLevel.Warning, "{Model}: its cache is cold and K_SINK is not set: nobody can be asked to load it")]
    public static partial void NobodyToAsk(ILogger logger, ModelKey model);

    [LoggerMessage(719, LogLevel.Information, "{Model}: deleted while {Waiting} waited for it, and the wake ends")]
    public static partial void WakeOfNone(ILogger logger, ModelKey model, int waiting);

    [LoggerMessage(730, LogLevel.Warning, "traffic report {Id} was not taken and will be sent again: {Message}; {Waiting} wait")]
    public static partial void TrafficNotTaken(ILogger logger, string id, string message, int waiting);

    [LoggerMessage(731, LogLevel.Error, "traffic report {Id} is given up: more than {Most} wait for K_SINK")]
    public static partial void TrafficGivenUp(ILogger logger, string id, int most);
}
