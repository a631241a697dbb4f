using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prometheus;

namespace Prewarm.Functions.Operate;

/// <summary>All counters in Prometheus' text format 0.0.4.</summary>
internal sealed class MetricsFunction
{
    [Function("Metrics")]
    public async Task<IResult> Scrape([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "metrics")] HttpRequest request, FunctionContext context)
    {
        var response = request.HttpContext.Response;
        response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await Metrics.DefaultRegistry.CollectAndExportAsTextAsync(response.Body, request.HttpContext.RequestAborted);
        return Results.Empty;
    }
}
