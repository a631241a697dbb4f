using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Relay;

/// <summary>Tells an OpenAI client what went wrong in the shape that its library reads.</summary>
internal static class OpenAIDialect
{
    /// <summary>The request came by an OpenAI route, with or without a model's address in front.</summary>
    public static bool Speaks(HttpRequest request)
    {
        var path = (request.Path.Value ?? "").AsSpan().TrimStart('/');
        if (path.StartsWith("models/", StringComparison.Ordinal))
        {
            for (var i = 0; i < 3; i++)
            {
                RelayRoute.Next(ref path);
            }
        }

        return RelayRoute.Next(ref path) is "openai";
    }

    /// <param name="outcome">As the metrics count it.</param>
    public static byte[] Write(int status, string outcome, RelayProblem problem) =>
        JsonSerializer.SerializeToUtf8Bytes(new(Error(status, outcome, problem)), RelayJsonContext.Default.OpenAIProblem);

    internal static OpenAIError Error(int status, string outcome, RelayProblem problem)
    {
        var more = string.Join("; ", ((string?[])[problem.Message, problem.Cause, List("one of", problem.Candidates), List("there are", problem.Models)]).Where(t => !string.IsNullOrEmpty(t)));
        return new(
            more.Length == 0 ? problem.Error : $"{problem.Error}: {more}",
            status switch
            {
                StatusCodes.Status401Unauthorized => "authentication_error",
                StatusCodes.Status429TooManyRequests => "rate_limit_error",
                >= 500 => "server_error",
                _ => "invalid_request_error",
            },
            outcome is "unknown" or "ambiguous" or "no_model" ? "model" : null,
            outcome == "unknown" ? "model_not_found" : outcome,
            problem.Candidates);
    }

    private static string? List(string what, IReadOnlyList<string>? names) =>
        names is { Count: > 0 } ? $"{what} {string.Join(", ", names.Take(20))}{(names.Count > 20 ? ", …" : "")}" : null;
}
