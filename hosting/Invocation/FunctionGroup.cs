namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>Functions that FUNCTIONS selects together by the name of the first: one that users know, whose routes are several functions'.</summary>
internal sealed record FunctionGroup(string Name, IReadOnlyList<string> With);
