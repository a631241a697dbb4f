using System.Text.Json.Nodes;
using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Pipeline;

/// <summary>A relay is about to wake a model whose cache is cold: load what it serves, at once. The relay itself may write nothing.</summary>
internal sealed class WakeRequestedFunction(EventDesk desk, WakeLoads loads, IWakeCauses? causes = null)
{
    /// <summary>The one type that this route takes.</summary>
    public const string Type = "dev.prewarm.wake.requested";

    private const string RetryAfterSeconds = "2";

    [Function("WakeRequested")]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/wake")] HttpRequest request, CancellationToken cancellationToken)
    {
        List<ModelKey> wanted = [];
        // No look of the line: that may take as long as a golden prediction, and the load may not wait for it.
        var result = await desk.HandleAsync(request, "wake", false, cloudEvent =>
        {
            if (Parse(cloudEvent) is not { } key)
            {
                return null;
            }

            wanted.Add(key);
            causes?.Caused(key, TraceParent.Of(request, cloudEvent));
            return [];
        }, cancellationToken);
        if (result is not IStatusCodeHttpResult { StatusCode: StatusCodes.Status202Accepted })
        {
            return result;
        }

        try
        {
            foreach (var key in wanted.Distinct())
            {
                await loads.LoadAsync(key, null, cancellationToken);
            }

            return result;
        }
        catch (Exception e) when (e is KubeApiException { IsTransient: true } or KubeApiException { IsConflict: true } or HttpRequestException or IOException)
        {
            request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
    }

    /// <summary>The model that an event asks for; null: it is no such event, or names none.</summary>
    internal static ModelKey? Parse(CloudEvent cloudEvent) =>
        cloudEvent.Type == Type && cloudEvent.Data is JsonObject data
            && data["namespace"] is JsonValue ns && ns.TryGetValue<string>(out var nsText) && data["name"] is JsonValue name && name.TryGetValue<string>(out var nameText)
            && SpecChecks.ObjectName(nsText) && SpecChecks.ObjectName(nameText) ? new(nsText, nameText) : null;
}
