using System.Net;

namespace Prewarm.Functions.Kubernetes;

/// <summary>
/// Tries a request again that an API server in trouble refused or lost: a look makes a dozen requests, and one failed request in ten would fail most looks.
/// Only what may be sent twice: reads, patches (an apply or a merge is the same twice) and deletions; a POST only when it was turned away with 429.
/// </summary>
internal sealed class TransientRetryHandler(TimeProvider time) : DelegatingHandler
{
    private const int Tries = 3;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            TimeSpan? asked = null;
            try
            {
                var response = await base.SendAsync(request, cancellationToken);
                if (attempt == Tries || !Again(request.Method, response.StatusCode))
                {
                    return response;
                }

                asked = response.Headers.RetryAfter?.Delta;
                response.Dispose();
            }
            catch (HttpRequestException) when (attempt < Tries && Repeatable(request.Method))
            {
                // The connection broke or was refused.
            }

            var pause = asked ?? TimeSpan.FromMilliseconds(50 * attempt * attempt);
            await Task.Delay(pause < LongestPause ? pause : LongestPause, time, cancellationToken);
        }
    }

    private static bool Repeatable(HttpMethod method) => method == HttpMethod.Get || method == HttpMethod.Patch || method == HttpMethod.Delete;

    private static bool Again(HttpMethod method, HttpStatusCode status) => status == HttpStatusCode.TooManyRequests || ((int)status >= 500 && Repeatable(method));
}
