namespace Prewarm.Functions.Upload;

/// <summary>Section <c>ObjectStore</c>.</summary>
internal sealed class ObjectStoreOptions
{
    /// <value>Endpoint in place of every model's own; default: none.</value>
    public string? Endpoint { get; set; }
}
