namespace Microsoft.Azure.Functions.Worker;

/// <summary>One invocation of a function.</summary>
public abstract class FunctionContext
{
    /// <value>The id the Functions host gave this invocation, or a fresh one when there is no such host.</value>
    public abstract string InvocationId { get; }

    /// <value>The id of the function invoked.</value>
    public abstract string FunctionId { get; }

    /// <value>Services in the scope of this invocation.</value>
    public abstract IServiceProvider InstanceServices { get; set; }

    /// <value>The function invoked.</value>
    public abstract FunctionDefinition FunctionDefinition { get; }

    /// <value>Values shared by the middleware and the function of this invocation.</value>
    public abstract IDictionary<object, object> Items { get; set; }

    /// <value>Cancelled when the caller has gone.</value>
    public virtual CancellationToken CancellationToken => default;
}
