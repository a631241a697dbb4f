namespace Prewarm.Sandbox.Eventing;

/// <summary>
/// Sends an event as ApiServerSource and PingSource do: with the CloudEvents Go SDK, 5 retries, exponential from 50 ms, then the event is lost
/// (knative/eventing <c>pkg/adapter/apiserver/events/events.go</c>, <c>pkg/adapter/mtping/runner.go</c>).
/// </summary>
internal sealed class SourceSender(HttpMessageInvoker http, EventingOptions options, TimeProvider time)
{
    private const int Retries = 5;
    private static readonly TimeSpan s_period = TimeSpan.FromMilliseconds(50);
    private long _lost;

    /// <summary>Events given up.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>False: the event is lost, and told to the log.</summary>
    public async Task<bool> SendAsync(EventMessage message, Uri sink, CancellationToken cancellationToken)
    {
        var last = "";
        for (var retry = 0; retry <= Retries; retry++)
        {
            if (retry > 0)
            {
                // cloudevents/sdk-go v2 protocol/context retry.go: period × 2^n, n from 1.
                await Task.Delay(s_period * Math.Pow(2, retry), time, cancellationToken);
            }

            try
            {
                using var limit = new CancellationTokenSource(options.RequestTimeout, time);
                using var ends = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
                using var request = EventCodec.Request(message, sink);
                using var response = await http.SendAsync(request, ends.Token);
                if (response.IsSuccessStatusCode)
                {
                    return true;
                }

                last = $"{(int)response.StatusCode}";
                if (!IsRetried((int)response.StatusCode))
                {
                    break;
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is HttpRequestException or IOException or OperationCanceledException)
            {
                last = e.Message;
            }
        }

        Interlocked.Increment(ref _lost);
        options.Log($"failed to send cloudevent {message.Id} {message.Type} from {message.Source}: {last}");
        return false;
    }

    /// <summary>The SDK's own list, which has no 500 and no 408 (cloudevents/sdk-go v2 <c>protocol/http</c>, defaultIsRetriableFunc).</summary>
    internal static bool IsRetried(int status) => status is 404 or 413 or 425 or 429 or 502 or 503 or 504;
}
