namespace Prewarm.Functions.Upload;

/// <summary>Section <c>ObjectStore</c>.</summary>
internal sealed class ObjectStoreOptions
{
    /// <value>Endpoint in place of every model's own; default: none.</value>
    public string? Endpoint { get; set; }

    /// <value>How long the store may send no byte of an answer before the request counts as broken off; default 20 s.</value>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(20);

    /// <value>How long a whole listing may take, with the small files that completeness needs and with every retry; default 60 s.</value>
    public TimeSpan ListingLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <value>How often reading that broke off, stood still, or was answered 429 or 5xx is asked for again; default 2.</value>
    public int Retries { get; init; } = 2;
}
