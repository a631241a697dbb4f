namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <param name="instances">Where the function's object comes from if it is one for all invocations; null: from each invocation's own scope.</param>
internal sealed class RoutedFunction(FunctionDescriptor descriptor, IServiceProvider? instances) : FunctionDefinition
{
    public IServiceProvider? Instances { get; } = instances;

    public FunctionDescriptor Descriptor { get; } = descriptor;

    public override string Name => Descriptor.Name;

    public override string Id => Descriptor.Name;

    public override string EntryPoint => Descriptor.EntryPoint;
}
