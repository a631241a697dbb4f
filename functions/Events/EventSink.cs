using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Prewarm.Functions.Events;

/// <summary>What an event of ours says about itself (CloudEvents 1.0 context attributes).</summary>
/// <param name="Id">The same for the same happening, so that whoever gets it twice can tell.</param>
/// <param name="Traceparent">W3C trace context of what caused it (CloudEvents distributed tracing extension); null: unknown.</param>
internal sealed record EventHead(string Id, string Source, string Type, string Subject, string? Traceparent = null);

/// <summary>Sends CloudEvents to a sink (<c>K_SINK</c>) in structured JSON mode, and again when the sink cannot take them now.</summary>
/// <param name="tokenFile">
/// File with the bearer token that says who sends (<c>Events__SenderTokenFile</c>): a ServiceAccount's, for the broker's audience, where Knative's authentication-oidc is on. Read for each try, because the kubelet
/// writes a new one before the old one ends. Null: none.
/// </param>
internal sealed class EventSink(HttpClient http, TimeProvider time, string? tokenFile = null)
{
    /// <summary>Tries of one event.</summary>
    public const int Tries = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <param name="data">JSON.</param>
    /// <returns>Why it was not taken; null: it was.</returns>
    public async Task<string?> SendAsync(Uri sink, EventHead head, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var body = Write(head, data, time.GetUtcNow());
        var problem = "";
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            if (attempt > 0)
            {
                await Task.Delay(FirstPause * Math.Pow(2, attempt - 1), time, cancellationToken);
            }

            try
            {
                using var limit = new CancellationTokenSource(Limit, time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
                using var content = new ByteArrayContent(body);
                content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/cloudevents+json; charset=utf-8");
                using var request = new HttpRequestMessage(HttpMethod.Post, sink) { Content = content };
                request.Headers.Authorization = tokenFile is null ? null : new("Bearer", (await File.ReadAllTextAsync(tokenFile, either.Token)).Trim());
                using var answer = await http.SendAsync(request, either.Token);
                if (answer.IsSuccessStatusCode)
                {
                    return null;
                }

                problem = $"the sink answered {(int)answer.StatusCode}";
                // As Knative's senders decide (facts/knative.md §8).
                if (answer.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.RequestTimeout or HttpStatusCode.Conflict or HttpStatusCode.TooManyRequests) && (int)answer.StatusCode < 500)
                {
                    return problem;
                }
            }
            catch (Exception e) when (e is HttpRequestException or IOException or UnauthorizedAccessException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                problem = e is OperationCanceledException ? $"the sink did not answer in {Limit.TotalSeconds} s" : e.Message;
            }
            catch (OperationCanceledException)
            {
                return "this process ends";
            }
        }

        return problem;
    }

    private static byte[] Write(EventHead head, ReadOnlyMemory<byte> data, DateTimeOffset now)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("specversion", "1.0");
            json.WriteString("id", head.Id);
            json.WriteString("source", head.Source);
            json.WriteString("type", head.Type);
            json.WriteString("subject", head.Subject);
            json.WriteString("time", now.UtcDateTime);
            if (head.Traceparent is { Length: > 0 } cause)
            {
                json.WriteString("traceparent", cause);
            }

            json.WriteString("datacontenttype", "application/json");
            json.WritePropertyName("data");
            json.WriteRawValue(data.Span);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
