using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Acts on a <see cref="RelayOutcome"/>: brings the request to its model, or says why not.</summary>
internal sealed class RelayForwarder(ICatalog catalog, RelayGuard guard, CallerLimits callers, ModelHolds holds, GatewayClient gateway, RelaySender sender, Microsoft.Extensions.Options.IOptions<RelayOptions> options, TimeProvider time)
{
    /// <summary>How long a request waits for the first list of models.</summary>
    internal static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(5);

    private const int RetryAfterSeconds = 5;

    /// <summary>Routes by the request's path and answers it.</summary>
    public async Task RunAsync(HttpContext context)
    {
        var arrived = time.GetTimestamp();
        if (!await guard.AdmitAsync(context))
        {
            return;
        }

        // An empty catalog before the first list would call every model unknown.
        if (!catalog.Synced.IsCompletedSuccessfully && !await SyncedAsync(context.RequestAborted))
        {
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "", "unsynced", new("the catalog of models has not been read yet"), RetryAfterSeconds);
            return;
        }

        switch (RelayRouter.Route(catalog.Current, context.Request.Path.Value ?? "/"))
        {
            case RelayOutcome.Found found:
                await ForwardAsync(context, found, arrived);
                break;
            case RelayOutcome.ModelList list:
                await RelayAnswers.WriteAsync(context, StatusCodes.Status200OK, JsonSerializer.SerializeToUtf8Bytes(new(list.Models), RelayJsonContext.Default.RelayModelList));
                break;
            case RelayOutcome.Unknown unknown:
                await RelayAnswers.RefuseAsync(context, StatusCodes.Status404NotFound, "", "unknown", new($"there is no model {unknown.Asked}") { Models = unknown.Known });
                break;
            case RelayOutcome.Ambiguous ambiguous:
                await RelayAnswers.RefuseAsync(context, StatusCodes.Status400BadRequest, "", "ambiguous",
                    new($"{ambiguous.Asked} does not say which model is meant: put one of the candidates in front of the path") { Candidates = ambiguous.Candidates });
                break;
            case RelayOutcome.NotServing waiting:
                await RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, waiting.Model.Key().ToString(), "not_serving",
                    new($"{waiting.Model.Key()} does not serve yet") { Phase = waiting.Phase, Message = waiting.Message }, RetryAfterSeconds);
                break;
        }
    }

    private async Task ForwardAsync(HttpContext context, RelayOutcome.Found found, long arrived)
    {
        var hold = holds.Of(found.Model.Key());
        if (gateway.Prefix is null)
        {
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status502BadGateway, hold.Key.ToString(), "failed",
                new("there is no gateway to forward to") { Cause = "Gateway__Address is not set: give the URL of the mesh's ingress gateway" });
            return;
        }

        var beat = Heartbeat.Asked(context.Request);
        var caller = callers.CallerOf(context);
        var deadline = RequestDeadline.Read(context.Request.Headers, found.Model, options.Value, out var problem);
        HeaderRules.Apply(context.Request.Headers);
        if (problem is not null)
        {
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status400BadRequest, hold.Key.ToString(), "invalid", new(problem));
            return;
        }

        if (!await guard.BeginAsync(context, hold, caller))
        {
            return;
        }

        try
        {
            await sender.SendAsync(context, found, hold, arrived, deadline, beat);
        }
        finally
        {
            guard.Leave(hold, caller);
        }
    }

    /// <summary>A relay that has just started has its catalog in a moment: a request that came too early waits for it.</summary>
    private async Task<bool> SyncedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await catalog.Synced.WaitAsync(SyncLimit, time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
