namespace Microsoft.Azure.Functions.Worker;

/// <summary>What is known about a function before it runs.</summary>
public abstract class FunctionDefinition
{
    /// <value>The function's name.</value>
    public abstract string Name { get; }

    /// <value>Stable id of the function within the app.</value>
    public abstract string Id { get; }

    /// <value>Full name of type and method.</value>
    public abstract string EntryPoint { get; }
}
