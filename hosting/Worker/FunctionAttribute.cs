namespace Microsoft.Azure.Functions.Worker;

/// <summary>Marks a public method as a function. Same shape as the isolated worker's attribute.</summary>
/// <param name="name">The function's name: unique in the app, and its route when the trigger gives none.</param>
[AttributeUsage(AttributeTargets.Method)]
public class FunctionAttribute(string name) : Attribute
{
    /// <value>The function's name.</value>
    public string Name { get; } = name;
}
