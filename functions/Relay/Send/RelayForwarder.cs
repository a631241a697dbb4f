using Microsoft.AspNetCore.Http;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>Acts on a <see cref="RelayOutcome"/>: brings the request to its model, or says why not.</summary>
internal sealed class RelayForwarder(ICatalog catalog, RelayGuard guard, CallerLimits callers, ModelHolds holds, GatewayClient gateway, RelaySender sender, TrafficBook traffic, Microsoft.Extensions.Options.IOptions<RelayOptions> options, TimeProvider time)
{
    /// <summary>How long a request waits for the first list of models.</summary>
    internal static readonly TimeSpan SyncLimit = TimeSpan.FromSeconds(5);

    private const int RetryAfterSeconds = 5;

    /// <summary>The answer has gone out already.</summary>
    private static readonly Task<IResult> s_answered = Task.FromResult(Results.Empty);

    /// <summary>Finds the request's model and answers it; what is returned has nothing left to do. A request that nothing stops goes straight on: each method that waits for another costs an object.</summary>
    public Task<IResult> RunAsync(HttpContext context)
    {
        var arrived = time.GetTimestamp();
        var admitted = guard.AdmitAsync(context);
        if (!catalog.Synced.IsCompletedSuccessfully || !admitted.IsCompletedSuccessfully)
        {
            return AdmittedAsync(context, admitted, arrived);
        }

        return admitted.Result ? FindAsync(context, arrived) : s_answered;
    }

    private async Task<IResult> AdmittedAsync(HttpContext context, ValueTask<bool> admitted, long arrived)
    {
        if (!await admitted)
        {
            return Results.Empty;
        }

        // An empty catalog before the first list would call every model unknown.
        if (!catalog.Synced.IsCompletedSuccessfully && !await SyncedAsync(context.RequestAborted))
        {
            await RelayAnswers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "", "unsynced", new("the catalog of models has not been read yet"), RetryAfterSeconds);
            return Results.Empty;
        }

        return await FindAsync(context, arrived);
    }

    private Task<IResult> FindAsync(HttpContext context, long arrived)
    {
        var finding = RelayDesk.FindAsync(context, catalog.Current);
        return finding.IsCompletedSuccessfully ? FoundAsync(context, finding.Result, arrived) : SearchedAsync(context, finding, arrived);
    }

    private async Task<IResult> SearchedAsync(HttpContext context, ValueTask<RelayOutcome.Found?> finding, long arrived) => await FoundAsync(context, await finding, arrived);

    private Task<IResult> FoundAsync(HttpContext context, RelayOutcome.Found? found, long arrived) => found is null ? s_answered : ForwardAsync(context, found, arrived);

    private Task<IResult> ForwardAsync(HttpContext context, RelayOutcome.Found found, long arrived)
    {
        var hold = holds.Of(found.Model.Key());
        if (gateway.Prefix is null)
        {
            return RefuseAsync(context, StatusCodes.Status502BadGateway, hold, "failed",
                new("there is no gateway to forward to") { Cause = "Gateway__Address is not set: give the URL of the mesh's ingress gateway" });
        }

        // A wake of ours is no demand; its mark is taken off below.
        var told = options.Value.Sink is not null;
        var demand = found.Demand && told && !context.Request.Headers.ContainsKey(ReadinessProbe.Mark);
        if (demand)
        {
            traffic.Arrived(hold.Key);
        }
        else if (told)
        {
            traffic.Other(hold.Key);
        }

        var beat = Heartbeat.Asked(context.Request);
        var caller = callers.CallerOf(context);
        var deadline = RequestDeadline.Read(context.Request.Headers, found.Model, options.Value, out var problem);
        if (problem is not null)
        {
            return RefuseAsync(context, StatusCodes.Status400BadRequest, hold, "invalid", new(problem));
        }

        var begun = guard.BeginAsync(context, hold, caller);
        return !begun.IsCompletedSuccessfully ? RefusedAsync(begun)
            : begun.Result ? sender.SendAsync(sender.Begin(context, found, hold, arrived, deadline, beat, demand ? traffic : null, caller))
            : s_answered;
    }

    /// <summary>Only a refusal takes its time.</summary>
    private static async Task<IResult> RefusedAsync(ValueTask<bool> refusing)
    {
        await refusing;
        return Results.Empty;
    }

    private static async Task<IResult> RefuseAsync(HttpContext context, int status, ModelHold hold, string outcome, RelayProblem problem)
    {
        await RelayAnswers.RefuseAsync(context, status, hold.Key.ToString(), outcome, problem);
        return Results.Empty;
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
