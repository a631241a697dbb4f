using System.Net;
using System.Net.Http.Headers;

namespace Prewarm.Functions.Kubernetes;

/// <summary>
/// Bearer token from a file that somebody else rotates (a projected ServiceAccount token): read again every
/// <see cref="ReadEvery"/>, and at once when the server refuses the one we hold.
/// </summary>
internal sealed class TokenFileHandler(string path, TimeProvider time) : DelegatingHandler
{
    /// <summary>A minute, client-go's; the kubelet rotates at 80 % of a lifetime of at least 10 minutes.</summary>
    internal static readonly TimeSpan ReadEvery = TimeSpan.FromMinutes(1);

    // Swapped as a whole: requests run at the same time, and two reads of one file do no harm.
    private volatile Held? _held;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var held = await TokenAsync(_held, cancellationToken);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", held.Token);
        var response = await base.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.Unauthorized)
        {
            return response;
        }

        var fresh = await TokenAsync(null, cancellationToken);
        if (fresh.Token == held.Token)
        {
            return response;
        }

        // A request that was not authenticated has not been acted on, so that even a POST may be sent again; our bodies are buffers.
        response.Dispose();
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", fresh.Token);
        return await base.SendAsync(request, cancellationToken);
    }

    private async Task<Held> TokenAsync(Held? held, CancellationToken cancellationToken)
    {
        if (held is not null && time.GetElapsedTime(held.ReadAt) < ReadEvery)
        {
            return held;
        }

        var now = time.GetTimestamp();
        var fresh = new Held((await File.ReadAllTextAsync(path, cancellationToken)).Trim(), now);
        _held = fresh;
        return fresh;
    }

    private sealed record Held(string Token, long ReadAt);
}
