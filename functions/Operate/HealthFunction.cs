using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace Prewarm.Functions.Operate;

/// <summary>Liveness: the process answers. It needs nothing else, so that the first answer waits for nothing else.</summary>
internal sealed class HealthFunction
{
    [Function("Health")]
    public Task<IResult> Live([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "healthz")] HttpRequest request, FunctionContext context) =>
        Task.FromResult(Results.Text("ok\n"));
}
