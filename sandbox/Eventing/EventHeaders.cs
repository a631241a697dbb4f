using System.Collections.Immutable;
using System.Diagnostics;

namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// Headers that go from hop to hop beside an event: the W3C trace context, <c>x-request-id</c>, <c>knative-*</c> and <c>k-eventing-*</c>
/// (knative/eventing <c>pkg/utils/headers.go</c>). Everything else, authorization above all, ends at the broker.
/// </summary>
internal static class EventHeaders
{
    public const string TraceParent = "traceparent";

    public static readonly ImmutableDictionary<string, string> None = ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase);

    public static bool PassesOn(string name) =>
        name.Equals(TraceParent, StringComparison.OrdinalIgnoreCase) || name.Equals("tracestate", StringComparison.OrdinalIgnoreCase)
        || name.Equals("x-request-id", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("knative-", StringComparison.OrdinalIgnoreCase) || name.StartsWith("k-eventing-", StringComparison.OrdinalIgnoreCase);

    /// <summary>A trace that begins here, sampled.</summary>
    public static string NewTrace() => $"00-{ActivityTraceId.CreateRandom().ToHexString()}-{ActivitySpanId.CreateRandom().ToHexString()}-01";

    /// <summary>The same trace, one hop on. The header comes first, then the event's own extension; a trace begins where neither is valid.</summary>
    public static ImmutableDictionary<string, string> NextHop(EventMessage message)
    {
        var parent = message.Headers.GetValueOrDefault(TraceParent);
        if (!ActivityContext.TryParse(parent, null, out var context)
            && !ActivityContext.TryParse(message.Attributes.GetValueOrDefault(TraceParent), null, out context))
        {
            return message.Headers.SetItem(TraceParent, NewTrace());
        }

        return message.Headers.SetItem(TraceParent, $"00-{context.TraceId.ToHexString()}-{ActivitySpanId.CreateRandom().ToHexString()}-{(byte)context.TraceFlags:x2}");
    }
}
