using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// Decides whether a trigger's subscriber gets an event: <c>spec.filters</c> (all of them; exact, prefix, suffix, all, any, not), else <c>spec.filter.attributes</c>,
/// else everything (knative/eventing <c>pkg/broker/filter/filter_handler.go</c>).
/// </summary>
internal sealed class EventFilter
{
    private readonly Func<EventMessage, bool> _passes;

    private EventFilter(Func<EventMessage, bool> passes) => _passes = passes;

    public bool Passes(EventMessage message) => _passes(message);

    /// <exception cref="NotSupportedException">A CESQL expression: the miniature has no such language.</exception>
    /// <exception cref="FormatException">A filter without a known dialect.</exception>
    public static EventFilter Of(JsonObject trigger)
    {
        var filters = trigger.At("spec", "filters").Objects().Select(Dialect).ToList();
        if (filters.Count > 0)
        {
            return new(m => filters.TrueForAll(f => f(m)));
        }

        var attributes = trigger.At("spec", "filter", "attributes") as JsonObject ?? [];
        var wanted = attributes.Select(a => (a.Key, Value: a.Value?.ToString() ?? "")).ToList();

        // An empty value asks for the attribute and takes any (TriggerAnyFilter).
        return new(m => wanted.TrueForAll(w => Attribute(m, w.Key) is { } have && (w.Value.Length == 0 || w.Value == have)));
    }

    private static Func<EventMessage, bool> Dialect(JsonObject filter)
    {
        if (filter["cesql"] is not null)
        {
            throw new NotSupportedException("CESQL filters are not understood here: write exact, prefix, suffix, all, any or not");
        }

        if (filter["exact"] is JsonObject exact)
        {
            return Each(exact, (have, want) => have == want);
        }

        if (filter["prefix"] is JsonObject prefix)
        {
            return Each(prefix, (have, want) => have.StartsWith(want, StringComparison.Ordinal));
        }

        if (filter["suffix"] is JsonObject suffix)
        {
            return Each(suffix, (have, want) => have.EndsWith(want, StringComparison.Ordinal));
        }

        if (filter["all"] is JsonArray all)
        {
            var parts = all.Objects().Select(Dialect).ToList();
            return m => parts.TrueForAll(p => p(m));
        }

        if (filter["any"] is JsonArray any)
        {
            var parts = any.Objects().Select(Dialect).ToList();
            return m => parts.Exists(p => p(m));
        }

        if (filter["not"] is JsonObject not)
        {
            var part = Dialect(not);
            return m => !part(m);
        }

        throw new FormatException($"'{filter.ToJsonString()}' is no filter: write exact, prefix, suffix, all, any or not");
    }

    private static Func<EventMessage, bool> Each(JsonObject pairs, Func<string, string, bool> holds)
    {
        var wanted = pairs.Select(p => (p.Key, Value: p.Value?.ToString() ?? "")).ToList();
        return m => wanted.TrueForAll(w => Attribute(m, w.Key) is { } have && holds(have, w.Value));
    }

    private static string? Attribute(EventMessage message, string name) => message.Attributes.GetValueOrDefault(name);
}
