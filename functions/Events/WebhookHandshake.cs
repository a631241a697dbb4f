using Microsoft.AspNetCore.Http;

namespace Prewarm.Functions.Events;

/// <summary>The answer to a sender that asks whether it may post (CloudEvents http-webhook 1.0.2, section 4).</summary>
internal static class WebhookHandshake
{
    public static void Answer(HttpRequest request, HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status200OK;
        response.Headers.Allow = "POST";
        if (request.Headers.TryGetValue("WebHook-Request-Origin", out var origin) && origin.Count == 1)
        {
            response.Headers["WebHook-Allowed-Origin"] = origin;
        }

        if (request.Headers.ContainsKey("WebHook-Request-Rate"))
        {
            response.Headers["WebHook-Allowed-Rate"] = "*";
        }
    }
}
