using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Prewarm;

/// <summary>One look at what every model is to have now.</summary>
internal sealed class PrewarmTickFunction(EventDesk desk, PrewarmTick tick)
{
    private static readonly LineOutcome[] s_settled = [LineOutcome.Settled];
    private static readonly LineOutcome[] s_later = [LineOutcome.Transient];

    [Function("PrewarmTick")]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/tick")] HttpRequest request, CancellationToken cancellationToken) =>
        desk.HandleAsync(request, "tick", async waiting =>
        {
            try
            {
                await tick.RunAsync(waiting);
                return s_settled;
            }
            catch (Exception e) when (PrewarmTick.Expected(e))
            {
                return s_later;
            }
        }, cancellationToken);
}
