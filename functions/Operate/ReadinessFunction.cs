using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Hosting;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Operate;

/// <summary>Readiness: the catalog is known, and the process does not end.</summary>
internal sealed class ReadinessFunction(ICatalog catalog, ICatalogContact contact, IHostApplicationLifetime lifetime)
{
    [Function("HealthReady")]
    public Task<IResult> Ready([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "readyz")] HttpRequest request, FunctionContext context)
    {
        var report = HealthReport.Of(catalog, contact, lifetime.ApplicationStopping.IsCancellationRequested);
        return Task.FromResult(Results.Text(JsonSerializer.Serialize(report, OperateJsonContext.Default.HealthReport), "application/json",
            statusCode: report.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable));
    }
}
