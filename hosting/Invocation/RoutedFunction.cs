namespace Microsoft.Azure.Functions.Worker.Invocation;

internal sealed class RoutedFunction(FunctionDescriptor descriptor) : FunctionDefinition
{
    public FunctionDescriptor Descriptor { get; } = descriptor;

    public override string Name => Descriptor.Name;

    public override string Id => Descriptor.Name;

    public override string EntryPoint => Descriptor.EntryPoint;
}
