using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Scale;

/// <summary>Event ids 800–899.</summary>
internal static partial class Log
{
    [LoggerMessage(800, LogLevel.Information, "{Model}: activation {Id} of {Revision}: {Verdict}, {Message}")]
    public static partial void Activated(ILogger logger, ModelKey model, string id, string revision, string verdict, string message);

    [LoggerMessage(801, LogLevel.Information, "{Model}: activation {Id} is {Phase} after {Seconds} s")]
    public static partial void ActivationEnded(ILogger logger, ModelKey model, string id, string phase, double seconds);

    [LoggerMessage(802, LogLevel.Warning, "{Model}: activation {Id} cannot be written: {Message}")]
    public static partial void ActivationUnwritten(ILogger logger, ModelKey model, string id, string message);

    [LoggerMessage(803, LogLevel.Information, "{Model}: repair {Load}: {Message}")]
    public static partial void Repair(ILogger logger, ModelKey model, string load, string message);

    [LoggerMessage(804, LogLevel.Warning, "{Model}: no repair can be made: {Message}")]
    public static partial void RepairFailed(ILogger logger, ModelKey model, string message);

    [LoggerMessage(806, LogLevel.Error, "{Model}: activation {Id} is no longer followed")]
    public static partial void ActivationLost(ILogger logger, Exception exception, ModelKey model, string id);

    [LoggerMessage(807, LogLevel.Information, "{Model}: read {Result}: {Message}")]
    public static partial void ReadDone(ILogger logger, ModelKey model, string result, string message);

    [LoggerMessage(808, LogLevel.Warning, "reads in {Namespace} cannot be made: {Message}")]
    public static partial void ReadsFailed(ILogger logger, string @namespace, string message);

    [LoggerMessage(809, LogLevel.Information, "{Model}: the first byte of its last wake is not noted: {Message}")]
    public static partial void FirstByteUnwritten(ILogger logger, ModelKey model, string message);

    [LoggerMessage(810, LogLevel.Information, "{Model}: pod {Pod} on {Node} is placed anew: the cache is elsewhere")]
    public static partial void PodMoved(ILogger logger, ModelKey model, string pod, string node);

    [LoggerMessage(811, LogLevel.Warning, "{Model}: pod {Pod} cannot be placed anew (knative/optional/move-remote-pods gives the right): {Message}")]
    public static partial void PodNotMoved(ILogger logger, ModelKey model, string pod, string message);
}
