using Microsoft.AspNetCore.Http;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>The invocation that one HTTP request causes.</summary>
internal sealed class HttpFunctionContext(HttpContext http, RoutedFunction function, string invocationId) : FunctionContext
{
    public override string InvocationId { get; } = invocationId;

    public override string FunctionId => function.Id;

    public override IServiceProvider InstanceServices { get; set; } = http.RequestServices;

    public override FunctionDefinition FunctionDefinition => function;

    public override IDictionary<object, object> Items { get; set; } =
        new Dictionary<object, object> { [FunctionContextHttpExtensions.HttpContextKey] = http };

    public override CancellationToken CancellationToken { get; } = http.RequestAborted;

    /// <value>What the function returned; the answer is written after the middleware, as the worker does.</value>
    public object? Result { get; set; }
}
