namespace Prewarm.Functions.Catalog;

/// <summary>Which CachedModels this process looks after.</summary>
internal sealed class CatalogOptions
{
    /// <value>Namespaces to watch (<c>PREWARM_NAMESPACES</c>, comma list); empty means all of them. Default: all.</value>
    public IReadOnlyList<string> Namespaces { get; set; } = [];

    public static IReadOnlyList<string> Parse(string? list) =>
        (list ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Distinct(StringComparer.Ordinal).ToArray();
}
