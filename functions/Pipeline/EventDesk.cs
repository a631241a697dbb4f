using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Pipeline;

/// <summary>What every event route has in common: check the sender, read the events, look at the models they concern, answer as Knative's senders need it.</summary>
internal sealed class EventDesk(EventToken token, IModelLine line, ILogger<EventDesk> logger)
{
    private static readonly string[] RetryAfterSeconds = ["2"];

    /// <param name="source">The route's name in the metrics.</param>
    /// <param name="concerned">The models that one event concerns; null when the event is poison.</param>
    public async Task<IResult> HandleAsync(HttpRequest request, string source, Func<CloudEvent, IEnumerable<ModelKey>?> concerned, CancellationToken cancellationToken)
    {
        if (!token.Allows(request))
        {
            EventsMetrics.Count(source, "unauthorized");
            return Results.Text("the token of Events__Token is missing or wrong", statusCode: StatusCodes.Status401Unauthorized);
        }

        var read = await CloudEventReader.ReadAsync(request, cancellationToken);
        if (!read.Ok)
        {
            EventsMetrics.Count(source, "refused");
            Log.EventRefused(logger, source, read.Reason!);
            return Results.Text(read.Reason, statusCode: read.Status);
        }

        var models = new HashSet<ModelKey>();
        foreach (var cloudEvent in read.Events)
        {
            if (concerned(cloudEvent) is not { } keys)
            {
                EventsMetrics.Count(source, "refused");
                return Results.Text($"event {cloudEvent.Id} of type {cloudEvent.Type} names nothing to look at", statusCode: StatusCodes.Status400BadRequest);
            }

            models.UnionWith(keys);
        }

        var outcomes = await Task.WhenAll(models.Select(m => line.AdvanceAsync(m, cancellationToken)));
        if (outcomes.Contains(LineOutcome.Transient))
        {
            EventsMetrics.Count(source, "later");
            request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }

        EventsMetrics.Count(source, models.Count == 0 ? "unclaimed" : "handled");
        return Results.StatusCode(StatusCodes.Status202Accepted);
    }
}
