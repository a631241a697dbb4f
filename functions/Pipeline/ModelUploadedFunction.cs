using CloudNative.CloudEvents;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Events;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>An object was created in OSS: look at the models whose prefix holds it.</summary>
internal sealed class ModelUploadedFunction(EventDesk desk, IModelLine line, ICatalog catalog)
{
    [Function("ModelUploaded")]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", "options", Route = "events/oss")] HttpRequest request, CancellationToken cancellationToken)
    {
        if (HttpMethods.IsOptions(request.Method))
        {
            WebhookHandshake.Answer(request, request.HttpContext.Response);
            return Results.Empty;
        }

        return await desk.HandleAsync(request, "oss", cloudEvent => OssObjectEvent.Parse(cloudEvent) switch
        {
            null => null,
            { Counts: false } => [],
            var created => catalog.Current.Owners(created.Bucket, created.Key).Select(m => m.Key()),
        }, Patience, cancellationToken);
    }

    private TimeSpan? Patience(CloudEvent cloudEvent, ModelKey model) => OssObjectEvent.Parse(cloudEvent) switch
    {
        { } created when line.Knows(model, created.Key, created.ETag) => null,
        { } created when catalog.Current.ByKey.GetValueOrDefault(model)?.Spec is { } spec => UploadPlanner.Patience(spec.Source.Complete, created.Key),
        _ => TimeSpan.Zero,
    };
}
