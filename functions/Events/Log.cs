using Microsoft.Extensions.Logging;

namespace Prewarm.Functions.Events;

/// <summary>Event ids 300–399.</summary>
internal static partial class Log
{
    [LoggerMessage(300, LogLevel.Warning, "Events__Token is not set: whoever reaches this port may post events. Set it, and give senders the same token")]
    public static partial void TokenUnset(ILogger logger);
}
