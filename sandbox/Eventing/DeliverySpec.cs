using System.Text.Json.Nodes;
using System.Xml;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>How a subscriber is tried again (knative/eventing <c>pkg/kncloudevents/retries.go</c>).</summary>
internal sealed record DeliverySpec
{
    /// <summary>What a broker without a delivery gets: <c>config-br-defaults</c>.</summary>
    public static readonly DeliverySpec Default = new() { Retry = 10, Exponential = true, Delay = TimeSpan.FromSeconds(0.2) };

    private static readonly TimeSpan s_longest = TimeSpan.FromHours(1);

    /// <summary>Tries after the first.</summary>
    public int Retry { get; init; }

    /// <summary>False: linear.</summary>
    public bool Exponential { get; init; }

    /// <summary>Zero when policy or delay is not given: then there is no wait between tries.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Limit of one request.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Retry-After of a 429 or 503 counts up to this; not at all when not given.</summary>
    public TimeSpan? RetryAfterMax { get; init; }

    /// <exception cref="FormatException">A duration is not ISO 8601, or the policy has another name.</exception>
    public static DeliverySpec Parse(JsonNode? delivery)
    {
        var policy = delivery.Text("backoffPolicy");
        if (policy is not (null or "linear" or "exponential"))
        {
            throw new FormatException($"backoffPolicy is '{policy}': write linear or exponential");
        }

        return new()
        {
            Retry = Math.Max(0, delivery.Number("retry") ?? 0),
            Exponential = policy == "exponential",
            Delay = policy is null ? default : Duration(delivery, "backoffDelay") ?? default,
            Timeout = Duration(delivery, "timeout") is { } timeout && timeout > TimeSpan.Zero ? timeout : null,
            RetryAfterMax = Duration(delivery, "retryAfterMax"),
        };
    }

    /// <summary>No answer, 5xx, 404, 408, 409 and 429 are tried again; every other failure goes straight to the dead letter (SelectiveRetry).</summary>
    public static bool Retries(int status) => status is < 0 or >= 500 or 404 or 408 or 409 or 429;

    /// <summary>Wait before the try after <paramref name="attempt"/>, counted from 0: delay × 2^n, or delay × n (so the first linear retry does not wait).</summary>
    public TimeSpan Wait(int attempt, int status, TimeSpan? retryAfter)
    {
        var wait = Delay * (Exponential ? Math.Pow(2, Math.Min(attempt, 30)) : attempt);
        if (status is 429 or 503 && RetryAfterMax is { } most && retryAfter is { } asked)
        {
            var capped = asked < most ? asked : most;
            wait = capped > wait ? capped : wait;
        }

        return wait < s_longest ? wait : s_longest;
    }

    private static TimeSpan? Duration(JsonNode? delivery, string member)
    {
        if (delivery.Text(member) is not { } text)
        {
            return null;
        }

        try
        {
            return XmlConvert.ToTimeSpan(text);
        }
        catch (FormatException e)
        {
            throw new FormatException($"{member} is '{text}': write an ISO 8601 duration such as PT0.2S", e);
        }
    }
}
