using Microsoft.AspNetCore.Http;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>The way from an invocation to its HTTP request.</summary>
public static class FunctionContextHttpExtensions
{
    internal const string HttpContextKey = "HttpRequestContext";

    /// <summary>In the items of an HTTP context: the Functions host's own trigger caused it, such as a timer, and no caller.</summary>
    internal const string TriggerKey = "FunctionsTrigger";

    /// <summary>The HTTP context of an invocation, or null when no HTTP request caused it.</summary>
    public static HttpContext? GetHttpContext(this FunctionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Items.TryGetValue(HttpContextKey, out var value) ? value as HttpContext : null;
    }
}
