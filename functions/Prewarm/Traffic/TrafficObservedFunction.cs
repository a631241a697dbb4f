using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Scale;

namespace Prewarm.Functions.Prewarm;

/// <summary>What came to the relays: all events are judged before any counts, so that a batch sent again is not counted by half; then each once, of models that there are.</summary>
internal sealed class TrafficObservedFunction(EventDesk desk, ICatalog catalog, IArrivals arrivals, SeenEvents seen, TimeProvider time, FirstBytes? firstBytes = null)
{
    [Function("TrafficObserved")]
    public Task<IResult> RunAsync([HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/traffic")] HttpRequest request, CancellationToken cancellationToken) =>
        desk.TakeAsync(request, "traffic", events =>
        {
            var reports = new List<(string Id, TrafficReport Report)>();
            foreach (var cloudEvent in events)
            {
                var (report, problem) = cloudEvent.Type == TrafficReport.Type ? Read(cloudEvent.Data as JsonNode, time.GetUtcNow()) : (null, $"its type is not {TrafficReport.Type}");
                if (report is null)
                {
                    return ("refused", $"event {cloudEvent.Id}: {problem}");
                }

                reports.Add(($"{cloudEvent.Source}#{cloudEvent.Id}", report));
            }

            foreach (var (id, report) in reports)
            {
                if (seen.Add(id, report.Minute.ToUnixTimeSeconds() / 60))
                {
                    Take(report);
                }
            }

            return ("handled", null);
        }, cancellationToken);

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
                if (model.FirstByte is { } first)
                {
                    firstBytes?.Told(new(model.Namespace, model.Name), report.Minute, first);
                }

                // A first answer is told before its minute is over, without a count.
                if (model.Count == 0 && model.Served == 0 && model.Others == 0)
                {
                    continue;
                }

                arrivals.Add(new(model.Namespace, model.Name), new(report.Minute.ToUnixTimeSeconds() / 60, model.Count, model.First, model.Last, model.Served, model.ServiceSeconds) { Others = model.Others });
            }
        }

        arrivals.Keep(known.Keys.ToHashSet());
    }
}
