using System.Net;

namespace Prewarm.Functions.Kubernetes;

/// <summary>The API server answered with a failure Status.</summary>
internal sealed class KubeApiException(HttpStatusCode statusCode, string reason, string message, TimeSpan? retryAfter = null)
    : Exception(message)
{
    public HttpStatusCode StatusCode { get; } = statusCode;

    /// <summary>meta/v1 Status.reason, such as <c>Conflict</c>, <c>AlreadyExists</c>, <c>Expired</c>.</summary>
    public string Reason { get; } = reason;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    public bool IsConflict => StatusCode == HttpStatusCode.Conflict;
    public bool IsNotFound => StatusCode == HttpStatusCode.NotFound;
    public bool IsGone => StatusCode == HttpStatusCode.Gone;

    /// <summary>Worth another try later: throttled, server failure, or time-out.</summary>
    public bool IsTransient => StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout || (int)StatusCode >= 500;
}
