using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Event ids 700–799.</summary>
internal static partial class Log
{
    [LoggerMessage(700, LogLevel.Warning, "{Model}: the gateway did not answer a prediction ({Error}): {Message}")]
    public static partial void ForwardFailed(ILogger logger, ModelKey model, string error, string message);
}
