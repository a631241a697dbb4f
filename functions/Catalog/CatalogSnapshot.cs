using System.Collections.Frozen;

namespace Prewarm.Functions.Catalog;

/// <summary>An immutable view of all CachedModels.</summary>
internal sealed class CatalogSnapshot
{
    public static readonly CatalogSnapshot Empty = new([]);

    private readonly FrozenDictionary<string, CachedModel[]> _byModelName;
    private readonly FrozenDictionary<string, CachedModel[]>.AlternateLookup<ReadOnlySpan<char>> _byModelNameSpan;
    private readonly Dictionary<string, CachedModel>.AlternateLookup<ReadOnlySpan<char>> _byAddress;
    private readonly FrozenDictionary<string, CachedModel[]> _byBucket;

    public CatalogSnapshot(IReadOnlyList<CachedModel> models)
    {
        Models = models;
        ByKey = models.ToFrozenDictionary(m => m.Key());
        _byModelName = models.GroupBy(m => m.ModelName()).ToFrozenDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);
        _byModelNameSpan = _byModelName.GetAlternateLookup<ReadOnlySpan<char>>();
        _byAddress = models.ToDictionary(m => m.Key().ToString(), StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        _byBucket = models.Where(m => m.Location() is not null).GroupBy(m => m.Location()!.Bucket)
            .ToFrozenDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);
    }

    public IReadOnlyList<CachedModel> Models { get; }
    public FrozenDictionary<ModelKey, CachedModel> ByKey { get; }

    /// <summary>The models served under a {model} name, in every namespace.</summary>
    public IReadOnlyList<CachedModel> ByModelName(string modelName) =>
        _byModelName.TryGetValue(modelName, out var models) ? models : [];

    /// <inheritdoc cref="ByModelName(string)"/>
    public IReadOnlyList<CachedModel> ByModelName(ReadOnlySpan<char> modelName) =>
        _byModelNameSpan.TryGetValue(modelName, out var models) ? models : [];

    /// <summary>The model of a namespace/name; null: there is none.</summary>
    public CachedModel? ByAddress(ReadOnlySpan<char> address) => _byAddress.TryGetValue(address, out var model) ? model : null;

    /// <summary>The models whose prefix and this one could hold the same object.</summary>
    public IEnumerable<CachedModel> Overlapping(SourceLocation location) =>
        _byBucket.TryGetValue(location.Bucket, out var models) ? models.Where(m => m.Location()!.Overlaps(location)) : [];

    /// <summary>The models whose prefix holds an object key.</summary>
    public IEnumerable<CachedModel> Owners(string bucket, string key) =>
        _byBucket.TryGetValue(bucket, out var models)
            ? models.Where(m => key.StartsWith(m.Location()!.Prefix, StringComparison.Ordinal))
            : [];
}
