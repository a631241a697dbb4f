using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prometheus;

namespace Prewarm.Functions.Operate;

/// <summary>All counters in Prometheus' text format 0.0.4.</summary>
internal sealed class MetricsFunction
{
    private static readonly Counter s_allocated = Metrics.CreateCounter("dotnet_allocated_bytes_total", "Bytes that this process has ever allocated for managed objects.");

    static MetricsFunction()
    {
        // The bridges from meters and event counters listen to every request of server and client, for series that nobody here asks for.
        Metrics.SuppressDefaultMetrics(new() { SuppressMeters = true, SuppressEventCounters = true });
        Metrics.DefaultRegistry.AddBeforeCollectCallback(() => s_allocated.IncTo(GC.GetTotalAllocatedBytes()));
    }

    [Function("Metrics")]
    public async Task<IResult> Scrape([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "metrics")] HttpRequest request, FunctionContext context)
    {
        var response = request.HttpContext.Response;
        response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await Metrics.DefaultRegistry.CollectAndExportAsTextAsync(response.Body, request.HttpContext.RequestAborted);
        return Results.Empty;
    }
}
