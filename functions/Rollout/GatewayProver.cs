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

    public async Task<(bool Passed, string Message)> ProveAsync(Uri revision, string modelName, byte[] golden, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var (questions, fault) = GoldenFile.Read(golden);
        if (fault is not null)
        {
            return (false, fault);
        }

        foreach (var question in questions)
        {
            var path = question.Path ?? $"/v1/models/{Uri.EscapeDataString(modelName)}:predict";
            var (status, answer) = await AskAsync(revision, path, question.Request, timeout, cancellationToken);
            if (status != HttpStatusCode.OK)
            {
                return (false, $"golden.jsonl line {question.Line}: {answer}");
            }

            if (!GoldenMatch.Contains(Parse(answer), question.Expected))
            {
                return (false, $"golden.jsonl line {question.Line}: expected {Short(question.Expected.ToJsonString())}, got {Short(answer)}");
            }
        }

        return (true, $"{questions.Count} golden predictions passed");
    }

    private async Task<(HttpStatusCode Status, string Answer)> AskAsync(Uri revision, string path, string body, TimeSpan timeout, CancellationToken cancellationToken)
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
            var text = Encoding.UTF8.GetString(buffer, 0, length);
            return response.StatusCode == HttpStatusCode.OK ? (HttpStatusCode.OK, text) : (response.StatusCode, $"answered {(int)response.StatusCode}: {Short(text)}");
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            return (HttpStatusCode.GatewayTimeout, $"no answer within {timeout.TotalSeconds} s");
        }
        catch (HttpRequestException e)
        {
            return (HttpStatusCode.BadGateway, $"the gateway {gateway} cannot be reached: {e.Message}");
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
}
