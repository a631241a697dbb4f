using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// One request through the gateway, as a caller would come: a min-scale alone does not dependably bring a Revision up from zero (knative/serving#10327). Marked, so that it is demand nowhere,
/// and no probe, which Knative would not count. It never reaches a relay; who counts requests at the gateway sees it, so it is told here.
/// </summary>
internal sealed class FrontDoor(HttpClient http, Uri? gateway, IArrivals? arrivals = null)
{
    /// <summary>As the relay's own wakes carry it.</summary>
    public const string Mark = "x-prewarm-wake";

    /// <summary>How long an answer is waited for: the autoscaler has heard by then.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    /// <summary>What it came to, for the log; an answer that takes longer is none.</summary>
    public async Task<string> KnockAsync(CachedModel model, TimeProvider time)
    {
        if (gateway is null || !Uri.TryCreate(model.Status?.Url, UriKind.Absolute, out var url))
        {
            return "there is no gateway or no URL";
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway, "/v1/models/" + Uri.EscapeDataString(model.ModelName())));
        request.Headers.Host = url.Authority;
        request.Headers.UserAgent.ParseAdd("prewarm-tick");
        request.Headers.Add(Mark, "1");
        using var limit = new CancellationTokenSource(Limit, time);
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            return $"{(int)answer.StatusCode}";
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            return e.GetBaseException().Message;
        }
        finally
        {
            // By its end, as the gateway counts it.
            arrivals?.Add(model.Key(), new(time.GetUtcNow().ToUnixTimeSeconds() / 60, 0, 0, 0, 0, 0) { Others = 1 });
        }
    }
}
