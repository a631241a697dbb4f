using System.Collections.Immutable;

namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// A CloudEvent in transit: attributes as text, data as the bytes they came in, so that nothing is reworded on the way.
/// </summary>
/// <param name="Attributes">All context attributes and extensions, <c>specversion</c> and <c>datacontenttype</c> among them.</param>
/// <param name="Data">The data; empty for none.</param>
/// <param name="Headers">HTTP headers that travel beside the event: <see cref="EventHeaders"/>.</param>
internal sealed record EventMessage(ImmutableDictionary<string, string> Attributes, ReadOnlyMemory<byte> Data, ImmutableDictionary<string, string> Headers)
{
    public string Id => Attributes["id"];

    public string Type => Attributes["type"];

    public string Source => Attributes["source"];

    public EventMessage With(string attribute, string value) => this with { Attributes = Attributes.SetItem(attribute, value) };

    public EventMessage Without(string attribute) => this with { Attributes = Attributes.Remove(attribute) };

    /// <summary>A new event with a random id, a time and a trace of its own.</summary>
    public static EventMessage Create(string type, string source, DateTimeOffset time, string? contentType, ReadOnlyMemory<byte> data)
    {
        var attributes = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        attributes["specversion"] = "1.0";
        attributes["id"] = Guid.NewGuid().ToString();
        attributes["type"] = type;
        attributes["source"] = source;
        attributes["time"] = time.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", System.Globalization.CultureInfo.InvariantCulture);
        if (contentType is not null)
        {
            attributes["datacontenttype"] = contentType;
        }

        return new(attributes.ToImmutable(), data, EventHeaders.None.Add(EventHeaders.TraceParent, EventHeaders.NewTrace()));
    }
}
