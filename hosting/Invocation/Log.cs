using Microsoft.Extensions.Logging;

namespace Microsoft.Azure.Functions.Worker.Invocation;

internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "Listening on {Address}")]
    public static partial void Listening(ILogger logger, string address);

    [LoggerMessage(101, LogLevel.Information, "Serving functions: {Functions}")]
    public static partial void Serving(ILogger logger, string functions);

    [LoggerMessage(102, LogLevel.Error, "Function {Function} failed, invocation {InvocationId}: 500")]
    public static partial void Failed(ILogger logger, string function, string invocationId, Exception exception);

    [LoggerMessage(103, LogLevel.Information, "Function {Function}, invocation {InvocationId}: {Status}, {Reason}")]
    public static partial void BadRequest(ILogger logger, string function, string invocationId, int status, string reason);

    [LoggerMessage(104, LogLevel.Debug, "Function {Function}, invocation {InvocationId}: the caller has gone")]
    public static partial void CallerGone(ILogger logger, string function, string invocationId);
}
