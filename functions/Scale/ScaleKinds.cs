using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale;

// autoscaling.internal.knative.dev/v1alpha1, the members Prewarm reads. Internal to Knative, without a promise of stability: all are optional here.

internal sealed class PodAutoscaler
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set => field = value ?? new(); } = new();
    public PodAutoscalerStatus? Status { get; set; }
}

internal sealed class PodAutoscalerStatus
{
    /// <summary>-1: the autoscaler does not know yet.</summary>
    public int? DesiredScale { get; set; }

    /// <summary>Ready pods.</summary>
    public int? ActualScale { get; set; }
    public List<ScaleCondition>? Conditions { get; set; }
}

internal sealed class ScaleCondition
{
    public string Type { get; set; } = "";
    public string Status { get; set; } = "";
    public string? Reason { get; set; }
    public string? Message { get; set; }
    public DateTimeOffset? LastTransitionTime { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PodAutoscaler))]
internal sealed partial class ScaleJsonContext : JsonSerializerContext;

internal static class ScaleKinds
{
    public static readonly ResourceType<PodAutoscaler> PodAutoscalers =
        new("autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers", "PodAutoscaler", ScaleJsonContext.Default.PodAutoscaler);

    /// <summary>Knative's label with the Revision's name.</summary>
    public const string RevisionLabel = "serving.knative.dev/revision";

    /// <summary>Knative's label with the number of the Revision, from 1.</summary>
    public const string GenerationLabel = "serving.knative.dev/configurationGeneration";

    /// <summary>KServe's annotation with the original STORAGE_URI (pkg/constants, StorageInitializerSourceUriInternalAnnotationKey).</summary>
    public const string StorageAnnotation = "internal.serving.kserve.io/storage-initializer-sourceuri";
}
