using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Scale;

/// <summary>
/// A PodAutoscaler changed, told by an ApiServerSource: 1. check the sender; 2. read the events; 3. wait for the catalog, because a wake that came before the first list would be
/// nobody's; 4. hand each on and answer, without waiting for what follows from it. The watch tells the same; whoever comes first begins the activation.
/// </summary>
internal sealed class ScaleSignalledFunction(EventToken token, ICatalog catalog, Activations activations, TimeProvider time, ILogger<ScaleSignalledFunction> logger)
{
    private const string Source = "scale";
    private const string TypePrefix = "dev.knative.apiserver.";
    private static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(10);

    [Function("ScaleSignalled")]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/scale")] HttpRequest request, CancellationToken cancellationToken)
    {
        // 1
        if (!token.Allows(request))
        {
            EventsMetrics.Count(Source, "unauthorized");
            return Results.Text("the token of Events__Token is missing or wrong", statusCode: StatusCodes.Status401Unauthorized);
        }

        // 2
        var read = await CloudEventReader.ReadAsync(request, cancellationToken);
        if (!read.Ok)
        {
            return Refuse(read.Status, read.Reason!);
        }

        var signals = new List<(PodAutoscaler Autoscaler, string? Traceparent)>();
        foreach (var cloudEvent in read.Events)
        {
            if (cloudEvent.Type?.StartsWith(TypePrefix, StringComparison.Ordinal) != true || cloudEvent.Data is not JsonObject data)
            {
                return Refuse(StatusCodes.Status400BadRequest, $"event {cloudEvent.Id} of type {cloudEvent.Type} is not about an object of the API server");
            }

            try
            {
                // What was deleted wakes nothing, and what carries no status (Reference mode) says nothing.
                if (!cloudEvent.Type.EndsWith(".delete", StringComparison.Ordinal) && data["status"] is JsonObject
                    && data["kind"] is JsonValue kind && kind.TryGetValue<string>(out var name) && name == ScaleKinds.PodAutoscalers.Kind
                    && data.Deserialize(ScaleJsonContext.Default.PodAutoscaler) is { Metadata: { Name.Length: > 0, Uid.Length: > 0 } } autoscaler)
                {
                    signals.Add((autoscaler, TraceParent.Of(request, cloudEvent)));
                }
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                return Refuse(StatusCodes.Status400BadRequest, $"event {cloudEvent.Id} holds no PodAutoscaler: {e.Message}");
            }
        }

        // 3
        try
        {
            await catalog.Synced.WaitAsync(SyncLimit, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            EventsMetrics.Count(Source, "later");
            request.HttpContext.Response.Headers.RetryAfter = "2";
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }

        // 4
        var claimed = false;
        foreach (var (autoscaler, traceparent) in signals)
        {
            claimed |= activations.Take(autoscaler, traceparent) != SignalOutcome.Unclaimed;
        }

        EventsMetrics.Count(Source, claimed ? "handled" : "unclaimed");
        return Results.StatusCode(StatusCodes.Status202Accepted);
    }

    private IResult Refuse(int status, string reason)
    {
        EventsMetrics.Count(Source, "refused");
        Log.EventRefused(logger, Source, reason);
        return Results.Text(reason, statusCode: status);
    }
}
