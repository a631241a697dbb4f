using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

/// <summary>A CachedModel's <c>status.activation</c>.</summary>
internal sealed class ActivationModelStatus
{
    public ActivationStatus? Activation { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ModelPart<ActivationModelStatus>), TypeInfoPropertyName = "Model")]
internal sealed partial class ActivationJsonContext : JsonSerializerContext;

internal static class ActivationKinds
{
    /// <summary>Field manager of <c>status.activation</c>.</summary>
    public const string Manager = "prewarm-activation";

    public static readonly ResourceType<ModelPart<ActivationModelStatus>> Models = ModelParts.Type(ActivationJsonContext.Default.Model);
}
