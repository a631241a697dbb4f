namespace Microsoft.Azure.Functions.Worker.Middleware;

/// <summary>A step around each invocation.</summary>
public interface IFunctionsWorkerMiddleware
{
    /// <summary>Runs the step; calls <paramref name="next"/> to go on.</summary>
    Task Invoke(FunctionContext context, FunctionExecutionDelegate next);
}
