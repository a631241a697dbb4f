using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace Prewarm.Functions.Relay;

/// <summary>What a request must fulfil before anything is done about it.</summary>
internal sealed class RelayGuard(BearerCheck bearer, CallerLimits callers, IOptions<RelayOptions> options)
{
    public static RelayProblem TooLarge(RelayOptions options) => new($"the body is larger than {options.MaxBodyBytes} bytes") { Cause = "Relay__MaxBodyBytes" };

    /// <summary>False: the request has been answered.</summary>
    public ValueTask<bool> AdmitAsync(HttpContext context) => bearer.IsSet ? CheckedAsync(context) : SizedAsync(context);

    private async ValueTask<bool> CheckedAsync(HttpContext context)
    {
        if (!await bearer.AllowsAsync(context.Request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status401Unauthorized, "", "unauthorized", new("the bearer token is missing, wrong or over"));
            return false;
        }

        return await SizedAsync(context);
    }

    private ValueTask<bool> SizedAsync(HttpContext context)
    {
        if (context.Request.Headers.Upgrade.Count > 0 && IsTunnel(context.Request.Headers.Upgrade.ToString()))
        {
            return TunnelAsync(context);
        }

        // Kestrel counts a body that does not tell its length.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = options.Value.MaxBodyBytes;
        }

        return context.Request.ContentLength > options.Value.MaxBodyBytes ? TooLargeAsync(context) : ValueTask.FromResult(true);
    }

    /// <summary>What the forwarder would pass on as a connection of its own, past all that is said here about requests. Any other upgrade (h2c, as Java's client offers it) may be ignored (RFC 9110 section 7.8).</summary>
    private static bool IsTunnel(string upgrade) => upgrade.Contains("websocket", StringComparison.OrdinalIgnoreCase) || upgrade.Contains("spdy", StringComparison.OrdinalIgnoreCase);

    private static async ValueTask<bool> TunnelAsync(HttpContext context)
    {
        await RelayAnswers.RefuseAsync(context, StatusCodes.Status400BadRequest, "", "upgrade",
            new("this relay does not switch a connection to another protocol") { Cause = "send the request without Upgrade: an answer comes token by token all the same (text/event-stream)" });
        return false;
    }

    private async ValueTask<bool> TooLargeAsync(HttpContext context)
    {
        await RelayAnswers.RefuseAsync(context, StatusCodes.Status413PayloadTooLarge, "", "too_large", TooLarge(options.Value));
        return false;
    }

    /// <summary>False: this caller or this model has as many on its way as it may, and the request has been answered.</summary>
    /// <param name="caller">To be given back to <see cref="Leave"/>.</param>
    public ValueTask<bool> BeginAsync(HttpContext context, ModelHold hold, string? caller)
    {
        if (options.Value.ModelConcurrency > 0 && !hold.TryBegin(options.Value.ModelConcurrency))
        {
            return RefuseAsync(context, hold, $"{options.Value.ModelConcurrency} predictions of this model are on their way (Relay__ModelConcurrency)");
        }

        if (caller is not null && !callers.TryBegin(caller))
        {
            EndModel(hold);
            return RefuseAsync(context, hold, $"{options.Value.CallerConcurrency} predictions of this caller are on their way (Relay__CallerConcurrency)");
        }

        return ValueTask.FromResult(true);
    }

    public void Leave(ModelHold hold, string? caller)
    {
        EndModel(hold);
        if (caller is not null)
        {
            callers.End(caller);
        }
    }

    private void EndModel(ModelHold hold)
    {
        if (options.Value.ModelConcurrency > 0)
        {
            hold.Finished();
        }
    }

    private static async ValueTask<bool> RefuseAsync(HttpContext context, ModelHold hold, string cause)
    {
        await RelayAnswers.RefuseAsync(context, StatusCodes.Status429TooManyRequests, hold.Key.ToString(), "limited", new("too many predictions at a time") { Cause = cause }, retryAfter: 1);
        return false;
    }
}
