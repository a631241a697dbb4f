using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>Where services and invocation middleware are added.</summary>
public interface IFunctionsWorkerApplicationBuilder
{
    /// <value>The app's services.</value>
    IServiceCollection Services { get; }

    /// <summary>Adds a step around each invocation; the first one added is the outermost.</summary>
    IFunctionsWorkerApplicationBuilder Use(Func<FunctionExecutionDelegate, FunctionExecutionDelegate> middleware);
}
