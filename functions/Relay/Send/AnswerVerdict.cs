using System.Text;
using System.Text.Json;

namespace Prewarm.Functions.Relay;

/// <summary>What an answer says about whether the model has begun on the request; pure.</summary>
internal static class AnswerVerdict
{
    /// <summary>Longer answers are none of these.</summary>
    public const int MaxBytes = 4096;

    /// <summary>
    /// Activator and queue-proxy say so, with these words and nothing else, of a request that found their queue full: it has not been passed on
    /// (knative/serving pkg/queue/breaker.go ErrRequestQueueFull; facts/knative.md §4).
    /// </summary>
    private const string QueueFull = "pending request queue full";

    /// <summary>True: the answer is worth reading, because it may be one of ours to act on.</summary>
    public static bool MayBeRefusal(int status) => status is 503 or 400;

    /// <summary>
    /// 503 with the queue-full words; 400 (503 in newer versions) with KServe's "Model with name X is not ready." (kserve python/kserve/kserve/errors.py ModelNotReady;
    /// issue kserve#2882), which the server answers before it calls the model. Anything else may come from a model that has begun: a mesh makes 503 of a broken connection.
    /// </summary>
    public static Refusal Of(int status, ReadOnlySpan<byte> body)
    {
        var text = Encoding.UTF8.GetString(body).Trim();
        if (status == 503 && text == QueueFull)
        {
            return Refusal.QueueFull;
        }

        return NotReady(text) ? Refusal.NotReady : Refusal.None;
    }

    private static bool NotReady(string text)
    {
        if (text.Contains("is not ready", StringComparison.Ordinal) && text.StartsWith('{'))
        {
            try
            {
                using var json = JsonDocument.Parse(text);
                text = json.RootElement.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.String ? error.GetString()! : "";
            }
            catch (JsonException)
            {
                return false;
            }
        }

        return text.StartsWith("Model ", StringComparison.Ordinal) && (text.Contains(" is not ready.", StringComparison.Ordinal) || text.EndsWith(" is not ready", StringComparison.Ordinal)
            || text.Contains(" is not ready yet", StringComparison.Ordinal));
    }
}
