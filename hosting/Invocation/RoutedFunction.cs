using Microsoft.AspNetCore.Http;

namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <param name="instances">Where the function's object comes from if it is one for all invocations; null: from each invocation's own scope.</param>
internal sealed class RoutedFunction(FunctionDescriptor descriptor, IServiceProvider? instances) : FunctionDefinition
{
    private readonly Lazy<Func<HttpRequest, FunctionContext, Task<IResult>>?> _straight = new(() => instances is null ? null : descriptor.Bind(instances));

    public IServiceProvider? Instances { get; } = instances;

    public FunctionDescriptor Descriptor { get; } = descriptor;

    /// <summary>Calls the function without a look-up or a list of arguments; null: its shape or its object's lifetime does not allow that.</summary>
    public Func<HttpRequest, FunctionContext, Task<IResult>>? Straight => _straight.Value;

    public override string Name => Descriptor.Name;

    public override string Id => Descriptor.Name;

    public override string EntryPoint => Descriptor.EntryPoint;
}
