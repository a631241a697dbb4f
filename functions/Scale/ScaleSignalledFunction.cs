using System.Text.Json;
using System.Text.Json.Nodes;
using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Events;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Scale;

/// <summary>
/// A PodAutoscaler changed, told by an ApiServerSource: each is handed on and answered, without waiting for what follows from it. The watch tells the same; whoever comes
/// first begins the activation.
/// </summary>
internal sealed class ScaleSignalledFunction(EventDesk desk, Activations activations)
{
    private const string TypePrefix = "dev.knative.apiserver.";

    [Function("ScaleSignalled")]
    public Task<IResult> RunAsync([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/scale")] HttpRequest request, CancellationToken cancellationToken) =>
        desk.TakeAsync(request, "scale", events =>
        {
            var signals = new List<(PodAutoscaler Autoscaler, string? Traceparent)>();
            foreach (var cloudEvent in events)
            {
                var (autoscaler, poison) = Read(cloudEvent);
                if (poison is not null)
                {
                    return ("refused", poison);
                }

                if (autoscaler is not null)
                {
                    signals.Add((autoscaler, TraceParent.Of(request, cloudEvent)));
                }
            }

            var claimed = false;
            foreach (var (autoscaler, traceparent) in signals)
            {
                claimed |= activations.Take(autoscaler, traceparent) != SignalOutcome.Unclaimed;
            }

            return (claimed ? "handled" : "unclaimed", null);
        }, cancellationToken);

    /// <summary>The PodAutoscaler that an event tells of; null: one that says nothing of a wake; or why it is poison.</summary>
    private static (PodAutoscaler? Autoscaler, string? Poison) Read(CloudEvent cloudEvent)
    {
        if (cloudEvent.Type?.StartsWith(TypePrefix, StringComparison.Ordinal) != true || cloudEvent.Data is not JsonObject data)
        {
            return (null, $"event {cloudEvent.Id} of type {cloudEvent.Type} is not about an object of the API server");
        }

        try
        {
            // What was deleted wakes nothing, and what carries no status (Reference mode) says nothing.
            return cloudEvent.Type.EndsWith(".delete", StringComparison.Ordinal) || data["status"] is not JsonObject
                || data["kind"] is not JsonValue kind || !kind.TryGetValue<string>(out var name) || name != ScaleKinds.PodAutoscalers.Kind
                || data.Deserialize(ScaleJsonContext.Default.PodAutoscaler) is not { Metadata: { Name.Length: > 0, Uid.Length: > 0 } } autoscaler
                    ? (null, null) : (autoscaler, null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (null, $"event {cloudEvent.Id} holds no PodAutoscaler: {e.Message}");
        }
    }
}
