using Microsoft.AspNetCore.Http;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>The invocation that one HTTP request causes. What nobody asks for is not made.</summary>
/// <param name="named">The Functions host stands in front: it alone may name an invocation, anyone else's header is ignored.</param>
internal sealed class HttpFunctionContext(HttpContext http, RoutedFunction function, bool named) : FunctionContext
{
    // At once: a function may take the header away.
    private string? _id = named ? Given(http) : null;
    private IServiceProvider? _services;
    private IDictionary<object, object>? _items;

    public HttpContext Http => http;

    public RoutedFunction Function => function;

    public override string InvocationId => _id ??= Guid.NewGuid().ToString();

    public override string FunctionId => function.Id;

    public override IServiceProvider InstanceServices { get => _services ?? http.RequestServices; set => _services = value; }

    public override FunctionDefinition FunctionDefinition => function;

    public override IDictionary<object, object> Items
    {
        get => _items ??= new Dictionary<object, object> { [FunctionContextHttpExtensions.HttpContextKey] = http };
        set => _items = value;
    }

    public override CancellationToken CancellationToken => http.RequestAborted;

    /// <value>What the function returned; the answer is written after the middleware, as the worker does.</value>
    public object? Result { get; set; }

    private static string? Given(HttpContext http)
    {
        foreach (var header in (ReadOnlySpan<string>)["X-Azure-Functions-InvocationId", "x-ms-invocation-id"])
        {
            if (http.Request.Headers[header] is [{ Length: > 0 } id])
            {
                return id;
            }
        }

        return null;
    }
}
