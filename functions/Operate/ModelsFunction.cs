using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Operate;

/// <summary>The CachedModels and their status, as last seen.</summary>
internal sealed class ModelsFunction(ICatalog catalog)
{
    private const string RetryAfterSeconds = "5";

    [Function("Models")]
    public Task<IResult> All([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "api/models")] HttpRequest request, FunctionContext context)
    {
        if (!catalog.Synced.IsCompletedSuccessfully)
        {
            return Task.FromResult(NotYet(request));
        }

        var list = new ModelList([.. catalog.Current.Models.Select(ModelView.Of).OrderBy(m => m.Namespace, StringComparer.Ordinal).ThenBy(m => m.Name, StringComparer.Ordinal)]);
        return Task.FromResult(Results.Text(JsonSerializer.Serialize(list, OperateJsonContext.Default.ModelList), "application/json"));
    }

    [Function("ModelsOne")]
    public Task<IResult> One([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "api/models/{ns}/{name}")] HttpRequest request, FunctionContext context)
    {
        if (!catalog.Synced.IsCompletedSuccessfully)
        {
            return Task.FromResult(NotYet(request));
        }

        var key = new ModelKey(request.RouteValues["ns"] as string ?? "", request.RouteValues["name"] as string ?? "");
        return Task.FromResult(catalog.Current.ByKey.TryGetValue(key, out var model)
            ? Results.Text(JsonSerializer.Serialize(ModelView.Of(model), OperateJsonContext.Default.ModelView), "application/json")
            : Results.Text(JsonSerializer.Serialize(new($"there is no CachedModel {key}"), OperateJsonContext.Default.OperateProblem), "application/json",
                statusCode: StatusCodes.Status404NotFound));
    }

    private static IResult NotYet(HttpRequest request)
    {
        request.HttpContext.Response.Headers.RetryAfter = RetryAfterSeconds;
        return Results.Text(JsonSerializer.Serialize(new("the catalog of models has not been read yet"), OperateJsonContext.Default.OperateProblem), "application/json",
            statusCode: StatusCodes.Status503ServiceUnavailable);
    }
}
