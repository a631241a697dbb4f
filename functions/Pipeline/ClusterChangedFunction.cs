using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;

namespace Prewarm.Functions.Pipeline;

/// <summary>An object of Fluid, KServe or Knative changed: look at the model whose label it carries.</summary>
internal sealed class ClusterChangedFunction(EventDesk desk)
{
    [Function("ClusterChanged")]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "events/cluster")] HttpRequest request, CancellationToken cancellationToken) =>
        desk.HandleAsync(request, "cluster", false, cloudEvent => ApiServerEvent.Parse(cloudEvent) switch
        {
            null => null,
            { Kind: "CachedModel" } model => [new ModelKey(model.Namespace, model.Name)],
            var changed when changed.Labels.TryGetValue(Ownership.ModelLabel, out var name) => [new ModelKey(changed.Namespace, name)],
            _ => [],
        }, cancellationToken);
}
