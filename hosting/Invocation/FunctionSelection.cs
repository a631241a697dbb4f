namespace Microsoft.Azure.Functions.Worker.Invocation;

/// <summary>Which functions this process serves: one image, one role per Knative Service.</summary>
internal static class FunctionSelection
{
    /// <param name="functions">All registered functions.</param>
    /// <param name="names">Value of FUNCTIONS: names separated by commas, in any case; null or blank means all.</param>
    /// <param name="groups">What some of the names select besides the function of that name.</param>
    public static IReadOnlyList<FunctionDescriptor> Select(IReadOnlyList<FunctionDescriptor> functions, string? names, IReadOnlyList<FunctionGroup> groups)
    {
        var byName = new Dictionary<string, FunctionDescriptor>(StringComparer.OrdinalIgnoreCase);
        foreach (var function in functions)
        {
            if (!byName.TryAdd(function.Name, function))
            {
                throw new InvalidOperationException(
                    $"Function name '{function.Name}' is used twice: {byName[function.Name].EntryPoint} and {function.EntryPoint}.");
            }
        }

        if (string.IsNullOrWhiteSpace(names))
        {
            return functions;
        }

        var wanted = names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .SelectMany(n => groups.Where(g => g.Name.Equals(n, StringComparison.OrdinalIgnoreCase)).SelectMany(g => g.With).Prepend(n))
            .Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        var unknown = wanted.Where(n => !byName.ContainsKey(n)).ToList();
        return unknown.Count == 0
            ? [.. wanted.Select(n => byName[n])]
            : throw new InvalidOperationException(
                $"FUNCTIONS names unknown functions: {string.Join(", ", unknown)}. Known: {string.Join(", ", functions.Select(f => f.Name))}.");
    }
}
