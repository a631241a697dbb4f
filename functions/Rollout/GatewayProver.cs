using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Events;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Rollout;

/// <summary>Proves a revision through the mesh gateway, with the revision's tag host as Host.</summary>
internal sealed class GatewayProver(HttpClient http, Uri gateway, TimeProvider time) : IRevisionProver
{
    private const int MaxAnswer = 4 << 20;

    public async Task<(GoldenOutcome Outcome, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var (questions, fault) = GoldenFile.Read(golden);
        if (fault is not null)
        {
            return (GoldenOutcome.Failed, fault);
        }

        foreach (var question in questions)
        {
            var path = question.Path ?? $"/v1/models/{Uri.EscapeDataString(modelName)}:predict";
            var answer = await AskAsync(revision, path, question.Request, timeout, cancellationToken);
            if (answer.Status != HttpStatusCode.OK)
            {
                var said = answer.Status is { } status ? $"answered {(int)status}: {Short(answer.Text)}" : answer.Text;
                return (answer.FromTheModel ? GoldenOutcome.Failed : GoldenOutcome.Unanswered, $"golden.jsonl line {question.Line}: {said}");
            }

            if (!GoldenMatch.Contains(Parse(answer.Text), question.Expected))
            {
                return (GoldenOutcome.Failed, $"golden.jsonl line {question.Line}: expected {Short(question.Expected.ToJsonString())}, got {Short(answer.Text)}");
            }
        }

        return (GoldenOutcome.Passed, $"{questions.Count} golden predictions passed");
    }

    private async Task<Answer> AskAsync(Uri revision, string path, string body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, path));
        request.Headers.Host = revision.Authority;
        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, linked.Token);
            await using var stream = await response.Content.ReadAsStreamAsync(linked.Token);
            var buffer = new byte[MaxAnswer];
            var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, linked.Token);
            return new(response.StatusCode, Encoding.UTF8.GetString(buffer, 0, length));
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // So much time was given to the model, its start included; a gateway that has no way to it says so sooner.
            return new(null, $"no answer within {timeout.TotalSeconds} s", Late: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new(null, $"no answer through the gateway {gateway}: {e.Message}");
        }
    }

    private static JsonNode? Parse(string text)
    {
        try
        {
            return StrictJson.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Short(string text) => text.Length <= 200 ? text : text[..200] + "…";

    /// <param name="Status">Null: none came, and <paramref name="Text"/> says why.</param>
    /// <param name="Late">It took longer than the spec allows.</param>
    private readonly record struct Answer(HttpStatusCode? Status, string Text, bool Late = false)
    {
        /// <summary>Not what gateway, activator and queue-proxy say in its place, nor the model server while it has no model yet (400 "Model with name X is not ready", kserve#2882).</summary>
        public bool FromTheModel => Late || Status switch
        {
            null or HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => false,
            HttpStatusCode.BadRequest => !Text.Contains(" is not ready", StringComparison.Ordinal),
            _ => true,
        };
    }
}
