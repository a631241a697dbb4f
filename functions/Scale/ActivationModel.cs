using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>A CachedModel's <c>status.activation</c> and nothing else: its writer is another than that of the rest, so neither touches the other's fields.</summary>
internal sealed class ActivationModel
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public ActivationModelStatus? Status { get; set; }
}

internal sealed class ActivationModelStatus
{
    public ActivationStatus? Activation { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ActivationModel))]
internal sealed partial class ActivationJsonContext : JsonSerializerContext;

internal static class ActivationKinds
{
    /// <summary>Field manager of <c>status.activation</c>.</summary>
    public const string Manager = "prewarm-activation";

    public static readonly ResourceType<ActivationModel> Models = new(CatalogKinds.CachedModels.Group, CatalogKinds.CachedModels.Version, CatalogKinds.CachedModels.Plural,
        CatalogKinds.CachedModels.Kind, ActivationJsonContext.Default.ActivationModel);
}
