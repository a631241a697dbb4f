using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Finds the model of a request, and answers by itself every request that goes to no model.</summary>
internal static class RelayDesk
{
    private const int RetryAfterSeconds = 5;

    private static readonly byte[] s_server = JsonSerializer.SerializeToUtf8Bytes(
        new("prewarm", typeof(RelayDesk).Assembly.GetName().Version?.ToString(3) ?? "0", []), RelayJsonContext.Default.RelayServer);

    /// <returns>Where to forward; null: the request has been answered, or its caller is gone.</returns>
    public static ValueTask<RelayOutcome.Found?> FindAsync(HttpContext context, CatalogSnapshot catalog) =>
        RelayRouter.Route(catalog, context.Request.Method, RequestTarget.Of(context)) switch
        {
            RelayOutcome.Found found => new(found),
            RelayOutcome.InBody asked => InBodyAsync(context, catalog, asked),
            var outcome => AnsweredAsync(context, catalog, outcome),
        };

    /// <summary>The model was found, and is no more: as one that never was.</summary>
    public static Task DeletedAsync(HttpContext context, CatalogSnapshot catalog, ModelKey model) =>
        RelayAnswers.RefuseAsync(context, StatusCodes.Status404NotFound, "", "unknown", new($"there is no model {model} any more")
        {
            Models = RelayProblem.Some(RelayLists.Of(catalog).Addresses),
            Cause = "it was deleted while this request waited for it to start",
        });

    private static async ValueTask<RelayOutcome.Found?> InBodyAsync(HttpContext context, CatalogSnapshot catalog, RelayOutcome.InBody asked)
    {
        string? name, problem;
        try
        {
            (name, problem) = await ModelInBody.ReadAsync(context.Request, context.RequestAborted);
        }
        catch (Exception e) when (e is OperationCanceledException || (e is IOException and not BadHttpRequestException))
        {
            RelayMetrics.Count("", "caller_gone");
            context.Abort();
            return null;
        }
        catch (BadHttpRequestException e)
        {
            await RelayAnswers.RefuseAsync(context, e.StatusCode, "", "bad_body", SendFailure.BadBody(e));
            return null;
        }

        if (problem is not null)
        {
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status400BadRequest, "", "no_model", new("the body does not tell which model is meant") { Cause = problem });
            return null;
        }

        var outcome = RelayRouter.ByBody(catalog, name!, asked);
        return outcome as RelayOutcome.Found ?? await AnsweredAsync(context, catalog, outcome);
    }

    private static async ValueTask<RelayOutcome.Found?> AnsweredAsync(HttpContext context, CatalogSnapshot catalog, RelayOutcome outcome)
    {
        await AnswerAsync(context, catalog, outcome);
        return null;
    }

    private static Task AnswerAsync(HttpContext context, CatalogSnapshot catalog, RelayOutcome outcome)
    {
        switch (outcome)
        {
            case RelayOutcome.Own own:
                return RelayAnswers.WriteAsync(context, StatusCodes.Status200OK, Body(catalog, own));
            case RelayOutcome.Unknown unknown:
                return RelayAnswers.RefuseAsync(context, StatusCodes.Status404NotFound, "", "unknown", new($"there is no model {RelayProblem.Short(unknown.Asked)}") { Models = RelayProblem.Some(unknown.Known), Cause = "ask for one of these; /v1/models and /openai/v1/models list all" });
            case RelayOutcome.Ambiguous ambiguous:
                return RelayAnswers.RefuseAsync(context, StatusCodes.Status400BadRequest, "", "ambiguous",
                    new($"{RelayProblem.Short(ambiguous.Asked)} does not say which model is meant: put one of the candidates in front of the path") { Candidates = ambiguous.Candidates });
            case RelayOutcome.NotServing waiting:
                return RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, waiting.Model.Key().ToString(), "not_serving",
                    new($"{waiting.Model.Key()} does not serve yet") { Phase = waiting.Phase, Message = waiting.Message }, RetryAfterSeconds);
            case RelayOutcome.BadPath bad:
                return RelayAnswers.RefuseAsync(context, StatusCodes.Status400BadRequest, "", "bad_path", new(bad.Reason) { Cause = "write the path plainly: /v1/models/NAME:predict, /v2/models/NAME/infer, /openai/v1/…, /models/NAMESPACE/NAME/… in front of one" });
            case RelayOutcome.WrongMethod wrong:
                context.Response.Headers.Allow = wrong.Allowed;
                return RelayAnswers.RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, "", "wrong_method", new($"{RelayProblem.Short(wrong.Method)} is not for this path, but {wrong.Allowed}"));
            case RelayOutcome.NoRoute none:
                return RelayAnswers.RefuseAsync(context, StatusCodes.Status404NotFound, "", "no_route",
                    new($"there is nothing at {RelayProblem.Short(none.Path)}") { Cause = "see /v1/models, /v2/models and /openai/v1/models; /models/NAMESPACE/NAME/ in front of a path names one model" });
            default:
                throw new InvalidOperationException($"{outcome.GetType().Name} is not answered here");
        }
    }

    private static byte[] Body(CatalogSnapshot catalog, RelayOutcome.Own own) => own.Kind switch
    {
        RouteKind.ModelList => RelayLists.Of(catalog).List,
        RouteKind.OpenAIList => RelayLists.Of(catalog).OpenAI,
        RouteKind.OpenAIModel => JsonSerializer.SerializeToUtf8Bytes(RelayLists.Card(catalog, own.Model!), RelayJsonContext.Default.OpenAIModelCard),
        RouteKind.Live => "{\"live\":true}"u8.ToArray(),
        // Without a catalog no request comes this far.
        RouteKind.Ready => "{\"ready\":true}"u8.ToArray(),
        _ => s_server,
    };
}
