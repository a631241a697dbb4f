using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// What came to the relays: 1. check the sender; 2. read the events; 3. judge all before any counts, so that a batch sent again is not counted by half; 4. each once, of models that there are.
/// </summary>
internal sealed class TrafficObservedFunction(EventToken token, ICatalog catalog, IArrivals arrivals, SeenEvents seen, TimeProvider time)
{
    private const string Source = "traffic";
    private const string RetryAfterSeconds = "2";

    [Function("TrafficObserved")]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/traffic")] HttpRequest request, CancellationToken cancellationToken)
    {
        // 1
        if (!token.Allows(request))
        {
            return Refused("unauthorized", StatusCodes.Status401Unauthorized, "the token of Events__Token is missing or wrong");
        }

        // 2
        var read = await CloudEventReader.ReadAsync(request, cancellationToken);
        if (!read.Ok)
        {
            return Refused("refused", read.Status, read.Reason!);
        }

        if (!catalog.Synced.IsCompletedSuccessfully)
        {
            request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
            return Refused("later", StatusCodes.Status503ServiceUnavailable, "the catalog of models has not been read yet");
        }

        // 3
        var reports = new List<(string Id, TrafficReport Report)>();
        foreach (var cloudEvent in read.Events)
        {
            var (report, problem) = cloudEvent.Type == TrafficReport.Type ? Read(cloudEvent.Data as JsonNode, time.GetUtcNow()) : (null, $"its type is not {TrafficReport.Type}");
            if (report is null)
            {
                return Refused("refused", StatusCodes.Status400BadRequest, $"event {cloudEvent.Id}: {problem}");
            }

            reports.Add(($"{cloudEvent.Source}#{cloudEvent.Id}", report));
        }

        // 4
        foreach (var (id, report) in reports)
        {
            if (seen.Add(id))
            {
                Take(report);
            }
        }

        EventsMetrics.Count(Source, "handled");
        return Results.StatusCode(StatusCodes.Status202Accepted);
    }

    /// <summary>Pure: the report, or what is wrong with it.</summary>
    internal static (TrafficReport? Report, string? Problem) Read(JsonNode? data, DateTimeOffset now)
    {
        try
        {
            var report = (data as JsonObject)?.Deserialize(TrafficJsonContext.Default.TrafficReport);
            return report is null ? (null, "its data is no JSON object") : report.Problem(now) is { } problem ? (null, problem) : (report, null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return (null, $"its data cannot be read: {e.Message}");
        }
    }

    private void Take(TrafficReport report)
    {
        var known = catalog.Current.ByKey;
        foreach (var model in report.Models)
        {
            // What anybody can make up must not grow the memory.
            if (known.ContainsKey(new(model.Namespace, model.Name)))
            {
                arrivals.Add(new(model.Namespace, model.Name), new(report.Minute.ToUnixTimeSeconds() / 60, model.Count, model.First, model.Last, model.Served, model.ServiceSeconds));
            }
        }

        arrivals.Keep(known.Keys.ToHashSet());
    }

    private static IResult Refused(string outcome, int status, string why)
    {
        EventsMetrics.Count(Source, outcome);
        return Results.Text(why, statusCode: status);
    }
}
