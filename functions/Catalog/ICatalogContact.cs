namespace Prewarm.Functions.Catalog;

/// <summary>Whether the catalog's last word from the API server was a good one.</summary>
internal interface ICatalogContact
{
    /// <summary>What went wrong at the last contact; null when it went well.</summary>
    string? Failure { get; }
}
