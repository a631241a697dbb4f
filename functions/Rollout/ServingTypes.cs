using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Rollout;

// serving.kserve.io/v1beta1 and serving.knative.dev/v1, the members Prewarm reads or writes.

internal sealed class InferenceService : IKubeObject
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public InferenceServiceSpec? Spec { get; set; }
    public InferenceServiceStatus? Status { get; set; }
}

internal sealed class InferenceServiceSpec
{
    /// <summary>Kept as JSON: a person may write any field that KServe has.</summary>
    public JsonObject? Predictor { get; set; }
}

internal sealed class InferenceServiceStatus
{
    public string? Url { get; set; }
    public List<ServingCondition>? Conditions { get; set; }
    public Dictionary<string, ComponentStatus>? Components { get; set; }
}

internal sealed class ComponentStatus
{
    public string? LatestCreatedRevision { get; set; }
    public string? LatestReadyRevision { get; set; }
    public string? LatestRolledoutRevision { get; set; }
    public List<TrafficTarget>? Traffic { get; set; }
}

internal sealed class TrafficTarget
{
    public string? RevisionName { get; set; }
    public bool? LatestRevision { get; set; }
    public long? Percent { get; set; }
    public string? Tag { get; set; }
    public string? Url { get; set; }
}

internal sealed class ServingCondition
{
    public string Type { get; set; } = "";
    public string Status { get; set; } = "";
    public string? Reason { get; set; }
    public string? Message { get; set; }
    public DateTimeOffset? LastTransitionTime { get; set; }
}

internal sealed class Revision
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public RevisionStatus? Status { get; set; }
}

internal sealed class RevisionStatus
{
    public List<ServingCondition>? Conditions { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(InferenceService))]
[JsonSerializable(typeof(Revision))]
internal sealed partial class ServingJsonContext : JsonSerializerContext;

internal static class ServingKinds
{
    /// <summary>KServe's label on everything of an InferenceService, copied down to its pods and the PodAutoscaler.</summary>
    public const string ServiceLabel = "serving.kserve.io/inferenceservice";

    public static readonly ResourceType<InferenceService> InferenceServices =
        new("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService", ServingJsonContext.Default.InferenceService);

    public static readonly ResourceType<Revision> Revisions =
        new("serving.knative.dev", "v1", "revisions", "Revision", ServingJsonContext.Default.Revision);
}
