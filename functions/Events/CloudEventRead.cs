using CloudNative.CloudEvents;

namespace Prewarm.Functions.Events;

/// <summary>The events of a request, or the status (400, 413, 415) and reason why there are none.</summary>
internal sealed record CloudEventRead(IReadOnlyList<CloudEvent> Events, int Status, string? Reason)
{
    public bool Ok => Reason is null;

    public static CloudEventRead Of(IReadOnlyList<CloudEvent> events) => new(events, 200, null);

    public static CloudEventRead Refuse(int status, string reason) => new([], status, reason);
}
