namespace Prewarm.Functions.Catalog;

/// <summary>All CachedModels as last seen, as an immutable snapshot that a watch keeps fresh.</summary>
internal interface ICatalog
{
    CatalogSnapshot Current { get; }

    /// <summary>Completes when the first list has been read.</summary>
    Task Synced { get; }

    /// <summary>Completes at the next change of the snapshot.</summary>
    Task NextChange { get; }
}
