using System.Buffers;
using System.Globalization;
using System.Net;

namespace Prewarm.Sandbox.Eventing;

/// <summary>How a delivery ended.</summary>
/// <param name="Status">Last HTTP status; 500 when no answer came (as the real sender reports it); 502 when the answer was neither empty nor an event.</param>
/// <param name="Body">Body of the last failure.</param>
/// <param name="Reply">The event in the answer.</param>
/// <param name="Tries">Requests sent.</param>
internal sealed record DispatchOutcome(int Status, byte[] Body, EventMessage? Reply, int Tries)
{
    public bool Ok => Status is >= 200 and < 300;
}

/// <summary>
/// Sends an event to a subscriber as a broker does, with the delivery's retries
/// (knative/eventing <c>pkg/kncloudevents/event_dispatcher.go</c>; the answer is judged as in <c>pkg/broker/filter/filter_handler.go</c>, writeResponse).
/// </summary>
internal sealed class EventDispatcher(HttpMessageInvoker http, EventingOptions options, TimeProvider time)
{
    /// <param name="slots">Bounds the requests under way; not held during a wait.</param>
    public async Task<DispatchOutcome> SendAsync(EventMessage message, Uri target, DeliverySpec delivery, SemaphoreSlim slots, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            int status;
            TimeSpan? retryAfter = null;
            byte[] body = [];
            EventMessage? reply = null;
            await slots.WaitAsync(cancellationToken);
            try
            {
                (status, body, reply, retryAfter) = await OnceAsync(message, target, delivery.Timeout ?? options.RequestTimeout, cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is HttpRequestException or IOException or OperationCanceledException)
            {
                status = -1;
                body = System.Text.Encoding.UTF8.GetBytes($"dispatch error: {(e is OperationCanceledException ? "timeout" : e.Message)}");
            }
            finally
            {
                slots.Release();
            }

            if (status is >= 200 and < 300 || !DeliverySpec.Retries(status) || attempt >= delivery.Retry)
            {
                return new(status < 0 ? 500 : status, body, reply, attempt + 1);
            }

            await Task.Delay(delivery.Wait(attempt, status, retryAfter), time, cancellationToken);
        }
    }

    private async Task<(int Status, byte[] Body, EventMessage? Reply, TimeSpan? RetryAfter)> OnceAsync(EventMessage message, Uri target, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        using var request = EventCodec.Request(message, target);
        // Says that a reply event is understood: knative/specs eventing/data-plane.md, "Derived (reply) events".
        request.Headers.TryAddWithoutValidation("Prefer", "reply");
        using var response = await http.SendAsync(request, ends.Token);
        var status = (int)response.StatusCode;
        var body = await BodyAsync(response, ends.Token);
        if (!response.IsSuccessStatusCode)
        {
            return (status, body, null, RetryAfter(response));
        }

        var headers = response.Headers.Select(h => KeyValuePair.Create(h.Key, string.Join(",", h.Value)));
        var contentType = response.Content.Headers.TryGetValues("Content-Type", out var types) ? types.First() : null;
        var read = EventCodec.Read(headers, contentType, body);
        if (read.Message is { } reply)
        {
            return (status, [], reply, null);
        }

        return read.Malformed is null && body.Length == 0 ? (status, [], null, null) : ((int)HttpStatusCode.BadGateway, [], null, null);
    }

    // An answer longer than an event may be is as good as a broken one.
    private async Task<byte[]> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var copy = new MemoryStream();
        var buffer = ArrayPool<byte>.Shared.Rent(8192);
        try
        {
            int read;
            while (copy.Length <= options.MaxEventBytes && (read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            {
                copy.Write(buffer, 0, read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return copy.ToArray();
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        if (!response.Headers.TryGetValues("Retry-After", out var values))
        {
            return null;
        }

        var text = values.First();
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            return TimeSpan.FromSeconds(seconds);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at > time.GetUtcNow() ? at - time.GetUtcNow() : null;
    }
}
