using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace Prewarm.Functions.Pipeline;

/// <summary>Looks at every model: finds what no event told.</summary>
internal sealed class SweepFunction(EventDesk desk, ModelSweep sweep)
{
    [Function("Sweep")]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/sweep")] HttpRequest request, CancellationToken cancellationToken) =>
        desk.HandleAsync(request, "sweep", sweep.RunAsync, cancellationToken);
}
