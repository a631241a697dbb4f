using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace Prewarm.Functions.Relay;

/// <summary>Predictions, by model name or by the CachedModel's full address. Takes every method there is, because a wrong one is told which are right.</summary>
internal sealed class PredictFunction(RelayForwarder relay)
{
    [RelaySizeLimit]
    [Function("Predict")]
    public Task<IResult> PredictV1([HttpTrigger(AuthorizationLevel.Anonymous, Route = "v1/{*rest}")] HttpRequest request, FunctionContext context) =>
        relay.RunAsync(request.HttpContext);

    [RelaySizeLimit]
    [Function("PredictV2")]
    public Task<IResult> PredictV2([HttpTrigger(AuthorizationLevel.Anonymous, Route = "v2/{*rest}")] HttpRequest request, FunctionContext context) =>
        relay.RunAsync(request.HttpContext);

    [RelaySizeLimit]
    [Function("PredictOpenAI")]
    public Task<IResult> PredictOpenAI([HttpTrigger(AuthorizationLevel.Anonymous, Route = "openai/{*rest}")] HttpRequest request, FunctionContext context) =>
        relay.RunAsync(request.HttpContext);

    [RelaySizeLimit]
    [Function("PredictModel")]
    public Task<IResult> PredictModel([HttpTrigger(AuthorizationLevel.Anonymous, Route = "models/{*rest}")] HttpRequest request, FunctionContext context) =>
        relay.RunAsync(request.HttpContext);
}
