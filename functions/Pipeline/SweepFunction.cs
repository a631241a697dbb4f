using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>Looks at every model: finds what no event told.</summary>
internal sealed class SweepFunction(EventDesk desk, ICatalog catalog)
{
    [Function("Sweep")]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/sweep")] HttpRequest request, CancellationToken cancellationToken) =>
        desk.HandleAsync(request, "sweep", true, _ => catalog.Current.Models.Select(m => m.Key()), cancellationToken);
}
