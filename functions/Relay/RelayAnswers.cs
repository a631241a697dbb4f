using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Relay;

/// <summary>The answers that the relay gives in place of the model.</summary>
internal static class RelayAnswers
{
    /// <param name="model">Namespace/name, or empty when no model was found.</param>
    /// <param name="retryAfter">Whole seconds; null: coming again does not help.</param>
    public static Task RefuseAsync(HttpContext context, int status, string model, string outcome, RelayProblem problem, int? retryAfter = null)
    {
        RelayMetrics.Count(model, outcome);
        if (retryAfter is { } seconds && Heartbeat.Of(context) is null)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        return WriteAsync(context, status, Body(context, status, outcome, problem));
    }

    /// <summary>What is wrong, in the shape that the request's route has for it.</summary>
    public static byte[] Body(HttpContext context, int status, string outcome, RelayProblem problem) => OpenAIDialect.Speaks(context.Request)
        ? OpenAIDialect.Write(status, outcome, problem)
        : JsonSerializer.SerializeToUtf8Bytes(problem, RelayJsonContext.Default.RelayProblem);

    public static async Task WriteAsync(HttpContext context, int status, byte[] json)
    {
        if (Heartbeat.Of(context) is { } heard)
        {
            await heard.EventAsync(status, Encoding.UTF8.GetString(json), context.RequestAborted);
            return;
        }

        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(json, context.RequestAborted);
        }
    }
}
