using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// What every event route has in common:
/// 1. check the sender; 2. read the events; 3. wait for the catalog, because an event that came before the first list would be nobody's;
/// 4. look at the models they concern; 5. answer as Knative's senders need it.
/// </summary>
internal sealed class EventDesk(EventToken token, IModelLine line, ICatalog catalog, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<EventDesk> logger)
{
    /// <summary>How long a sender waits for the first list.</summary>
    internal static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(10);

    /// <summary>How long a sender waits for its look. A golden prediction from a cold start takes longer than senders wait, and the look goes on without them.</summary>
    internal static readonly TimeSpan LookLimit = TimeSpan.FromSeconds(20);

    private const string RetryAfterSeconds = "2";

    /// <summary>Looks at the models that events concern.</summary>
    /// <param name="source">The route's name in the metrics.</param>
    /// <param name="concerned">The models that one event concerns; null when the event is poison.</param>
    /// <param name="fresh">The events tell of the store: what was listed before them does not count.</param>
    public Task<IResult> HandleAsync(HttpRequest request, string source, bool fresh, Func<CloudEvent, IEnumerable<ModelKey>?> concerned, CancellationToken cancellationToken) =>
        HandleAsync(request, source, concerned, static (_, _) => TimeSpan.Zero, (key, cause, _, waiting) => line.AdvanceAsync(key, cause, fresh, waiting), cancellationToken);

    /// <summary>The same for events of the store, of which some ask for nothing and some for nothing at once.</summary>
    /// <param name="patience">How long the look that an event asks for may wait; null: it says nothing that a look at the model has not seen, and is answered at once.
    /// An upload of ten thousand files is ten thousand events.</param>
    public Task<IResult> HandleAsync(
        HttpRequest request, string source, Func<CloudEvent, IEnumerable<ModelKey>?> concerned, Func<CloudEvent, ModelKey, TimeSpan?> patience, CancellationToken cancellationToken) =>
        HandleAsync(request, source, concerned, patience, line.AdvanceAsync, cancellationToken);

    private Task<IResult> HandleAsync(
        HttpRequest request, string source, Func<CloudEvent, IEnumerable<ModelKey>?> concerned, Func<CloudEvent, ModelKey, TimeSpan?> patience,
        Func<ModelKey, string?, TimeSpan, CancellationToken, Task<LineOutcome>> look, CancellationToken cancellationToken) =>
        ReceiveAsync(request, source, async (events, waiting) =>
        {
            var asked = new Dictionary<ModelKey, (string? Cause, TimeSpan Patience)>();
            var old = 0;
            foreach (var cloudEvent in events)
            {
                if (concerned(cloudEvent) is not { } keys)
                {
                    return Refuse(source, StatusCodes.Status400BadRequest, $"event {cloudEvent.Id} of type {cloudEvent.Type} names nothing to look at");
                }

                foreach (var key in keys)
                {
                    if (patience(cloudEvent, key) is not { } wait)
                    {
                        old++;
                    }
                    else if (!asked.TryGetValue(key, out var before))
                    {
                        asked[key] = (TraceParent.Of(request, cloudEvent), wait);
                    }
                    else if (wait < before.Patience)
                    {
                        asked[key] = before with { Patience = wait };
                    }
                }
            }

            var looks = Task.WhenAll(asked.Select(a => look(a.Key, a.Value.Cause, a.Value.Patience, waiting)));
            return await AnswerAsync(request, source, looks, (asked.Count, old) switch { ( > 0, _) => "handled", (0, > 0) => "known", _ => "unclaimed" }, waiting);
        }, cancellationToken);

    /// <summary>Looks at whatever <paramref name="look"/> looks at, whatever the events say.</summary>
    public Task<IResult> HandleAsync(HttpRequest request, string source, Func<CancellationToken, Task<LineOutcome[]>> look, CancellationToken cancellationToken) =>
        ReceiveAsync(request, source, (_, waiting) => AnswerAsync(request, source, look(waiting), "handled", waiting), cancellationToken);

    /// <summary>Hands events on, of which nobody waits for what follows from them.</summary>
    /// <param name="take">What became of them, for the metrics; and why they are poison, null: they are not.</param>
    public Task<IResult> TakeAsync(HttpRequest request, string source, Func<IReadOnlyList<CloudEvent>, (string Outcome, string? Poison)> take, CancellationToken cancellationToken) =>
        ReceiveAsync(request, source, (events, _) =>
        {
            var (outcome, poison) = take(events);
            if (poison is not null)
            {
                return Task.FromResult(Refuse(source, StatusCodes.Status400BadRequest, poison));
            }

            EventsMetrics.Count(source, outcome);
            return Task.FromResult(Results.StatusCode(StatusCodes.Status202Accepted));
        }, cancellationToken);

    private async Task<IResult> ReceiveAsync(HttpRequest request, string source, Func<IReadOnlyList<CloudEvent>, CancellationToken, Task<IResult>> handle, CancellationToken cancellationToken)
    {
        // 1
        if (!token.Allows(request))
        {
            EventsMetrics.Count(source, "unauthorized");
            return Results.Text("the token of Events__Token is missing or wrong", statusCode: StatusCodes.Status401Unauthorized);
        }

        // 2
        var read = await CloudEventReader.ReadAsync(request, cancellationToken);
        if (!read.Ok)
        {
            return Refuse(source, read.Status, read.Reason!);
        }

        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        try
        {
            // 3
            await catalog.Synced.WaitAsync(SyncLimit, time, waiting.Token);
            // 4
            return await handle(read.Events, waiting.Token);
        }
        catch (TimeoutException)
        {
            return Later(request, source);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return Later(request, source);
        }
    }

    private async Task<IResult> AnswerAsync(HttpRequest request, string source, Task<LineOutcome[]> looks, string outcome, CancellationToken cancellationToken)
    {
        LineOutcome[] outcomes;
        try
        {
            outcomes = await looks.WaitAsync(LookLimit, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            EventsMetrics.Count(source, "continued");
            return Results.StatusCode(StatusCodes.Status202Accepted);
        }

        // 5
        if (outcomes.Contains(LineOutcome.Transient))
        {
            return Later(request, source);
        }

        EventsMetrics.Count(source, outcome);
        return Results.StatusCode(StatusCodes.Status202Accepted);
    }

    private IResult Refuse(string source, int status, string reason)
    {
        EventsMetrics.Count(source, "refused");
        Log.EventRefused(logger, source, reason);
        return Results.Text(reason, statusCode: status);
    }

    private static IResult Later(HttpRequest request, string source)
    {
        EventsMetrics.Count(source, "later");
        request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
        return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
    }
}
