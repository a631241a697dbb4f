using System.Diagnostics;
using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Events;

/// <summary>Which trace an event belongs to (W3C Trace Context; CloudEvents' distributed tracing extension).</summary>
internal static class TraceParent
{
    /// <summary>The event's own traceparent, which survives brokers and batches; else the request's; null when neither is a valid one.</summary>
    public static string? Of(HttpRequest request, CloudEvent cloudEvent) =>
        Valid(cloudEvent["traceparent"] as string) ?? Valid(request.Headers.TraceParent.ToString());

    private static string? Valid(string? text) => !string.IsNullOrEmpty(text) && ActivityContext.TryParse(text, null, out _) ? text : null;
}
