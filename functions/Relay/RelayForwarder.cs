using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Acts on a <see cref="RelayOutcome"/>: brings the request to its model, or says why not.</summary>
internal sealed class RelayForwarder(ICatalog catalog, RelayGuard guard, CallerLimits callers, ModelHolds holds, GatewayClient gateway, RelaySender sender, TrafficBook traffic, Microsoft.Extensions.Options.IOptions<RelayOptions> options, TimeProvider time)
{
    /// <summary>How long a request waits for the first list of models.</summary>
    internal static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(5);

    private const int RetryAfterSeconds = 5;

    /// <summary>Finds the request's model and answers it.</summary>
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

        if (await RelayDesk.FindAsync(context, catalog.Current) is { } found)
        {
            await ForwardAsync(context, found, arrived);
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

        // A wake of ours is no demand; its mark is taken off below.
        var demand = found.Demand && options.Value.Sink is not null && !context.Request.Headers.ContainsKey(ReadinessProbe.Mark);
        if (demand)
        {
            traffic.Arrived(hold.Key);
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
            var (held, first) = await sender.SendAsync(context, found, hold, arrived, deadline, beat);
            if (demand)
            {
                traffic.Served(hold.Key, time.GetElapsedTime(arrived) - held);
                if (first is { } after)
                {
                    traffic.Woken(hold.Key, after);
                }
            }
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
