using Microsoft.Extensions.Configuration;

namespace Prewarm.Functions.Catalog;

/// <summary>What a process is for, by the functions that it serves (<c>FUNCTIONS</c>; none named: all of them).</summary>
internal static class ServedFunctions
{
    /// <summary>Whether a function of such a name is among them, in any case.</summary>
    public static bool Serves(this IConfiguration configuration, string name) => Any(configuration, f => f.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether predictions come here.</summary>
    public static bool ServesPredictions(this IConfiguration configuration) => Any(configuration, f => f.StartsWith("Predict", StringComparison.OrdinalIgnoreCase));

    private static bool Any(IConfiguration configuration, Predicate<string> wanted) => configuration["FUNCTIONS"] is not { } functions || string.IsNullOrWhiteSpace(functions)
        || Array.Exists(functions.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), wanted);
}
