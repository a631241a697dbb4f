using System.Text.Json.Serialization.Metadata;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Catalog;

/// <summary>A CachedModel with one part of its status and nothing else: the part's writer is another than that of the rest, so neither touches the other's fields.</summary>
internal sealed class ModelPart<TStatus>
    where TStatus : class
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set => field = value ?? new(); } = new();
    public TStatus? Status { get; set; }
}

internal static class ModelParts
{
    public static ResourceType<ModelPart<TStatus>> Type<TStatus>(JsonTypeInfo<ModelPart<TStatus>> json)
        where TStatus : class =>
        new(CatalogKinds.CachedModels.Group, CatalogKinds.CachedModels.Version, CatalogKinds.CachedModels.Plural, CatalogKinds.CachedModels.Kind, json);

    /// <summary>Server-side apply of the part under a manager of its own.</summary>
    /// <param name="read">The resourceVersion that it was made from: a change since then is a conflict; null: whatever is there.</param>
    public static Task ApplyPartAsync<TStatus>(
        this IKubeApi api, ResourceType<ModelPart<TStatus>> type, ModelKey model, TStatus status, string? read, string manager, CancellationToken cancellationToken)
        where TStatus : class =>
        api.ApplyAsync(type, model.Namespace, model.Name, new()
        {
            ApiVersion = type.ApiVersion,
            Kind = type.Kind,
            Metadata = new() { Name = model.Name, Namespace = model.Namespace, ResourceVersion = read },
            Status = status,
        }, manager, force: true, "status", cancellationToken);
}
