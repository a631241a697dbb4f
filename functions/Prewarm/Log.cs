using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>Event ids 900–999.</summary>
internal static partial class Log
{
    [LoggerMessage(900, LogLevel.Information, "{Model}: {Pods} pods of {Revision} are held until {Until:u}: {Why}")]
    public static partial void Held(ILogger logger, ModelKey model, int pods, string revision, DateTimeOffset until, string why);

    [LoggerMessage(901, LogLevel.Information, "{Scope}/{Revision}: no longer held")]
    public static partial void LetGo(ILogger logger, string scope, string revision);

    [LoggerMessage(902, LogLevel.Information, "{Model}: its cache is {What}: {Why}")]
    public static partial void Cache(ILogger logger, ModelKey model, string what, string why);

    [LoggerMessage(903, LogLevel.Warning, "{Model}: will try again at the next tick: {Message}")]
    public static partial void Deferred(ILogger logger, ModelKey model, string message);

    [LoggerMessage(904, LogLevel.Error, "what was remembered as {Key} is corrupt or of a newer version: it is kept as {Aside}, and begun afresh")]
    public static partial void MemoryUnreadable(ILogger logger, string key, string aside);

    [LoggerMessage(905, LogLevel.Warning, "the tick failed, the next one tries again: {Message}")]
    public static partial void TickFailed(ILogger logger, string message);

    [LoggerMessage(907, LogLevel.Information, "history {File}: {Calls} calls of {Services} services are learned from, {Models} models begin with theirs")]
    public static partial void HistoryRead(ILogger logger, string file, int calls, int services, int models);

    [LoggerMessage(908, LogLevel.Error, "Prewarm__History {Path} is not learned from: {Message}")]
    public static partial void HistoryUnreadable(ILogger logger, string path, string message);

    [LoggerMessage(909, LogLevel.Information, "Prewarm__History: there is no {Path}: what is forecast begins with made-up services")]
    public static partial void HistoryAbsent(ILogger logger, string path);

    [LoggerMessage(914, LogLevel.Warning, "the turn to act is lost to {Holder}: more than one prewarmer runs")]
    public static partial void TurnLost(ILogger logger, string holder);

    [LoggerMessage(906, LogLevel.Information, "{Model}: woken through the gateway: {Answer}")]
    public static partial void Knocked(ILogger logger, ModelKey model, string answer);

    [LoggerMessage(910, LogLevel.Information, "{Prometheus} tells of calls that pass no relay")]
    public static partial void PrometheusRead(ILogger logger, string prometheus);

    [LoggerMessage(911, LogLevel.Warning, "{Prometheus} does not tell of all calls that pass no relay, what relays report goes on: {Result}: {Message}")]
    public static partial void PrometheusUnread(ILogger logger, string prometheus, PrometheusResult result, string message);

    [LoggerMessage(912, LogLevel.Warning, "{Prometheus}: {Odd} values are no counts of calls and left out: Prewarm__Prometheus__Query has to give whole numbers of requests per minute")]
    public static partial void PrometheusOdd(ILogger logger, string prometheus, int odd);

    [LoggerMessage(913, LogLevel.Warning, "{Prometheus} was away for long: {Minutes} minutes of calls that pass no relay are not learned from")]
    public static partial void PrometheusMinutesLost(ILogger logger, string prometheus, long minutes);

    [LoggerMessage(915, LogLevel.Warning, "holds on {Kind} of {Where} cannot be taken back, will try again at the next tick: {Message}")]
    public static partial void NotReaped(ILogger logger, string kind, string where, string message);

    [LoggerMessage(916, LogLevel.Warning, "{Where}: what its models have cost cannot be read, so nothing is done for them until the next tick: {Message}")]
    public static partial void NotTold(ILogger logger, string where, string message);
}
