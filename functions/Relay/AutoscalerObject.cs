using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;

namespace Prewarm.Functions.Relay;

/// <summary>autoscaling.internal.knative.dev/v1alpha1, the members that tell where a Revision stands (facts/knative.md §1).</summary>
internal sealed class AutoscalerObject
{
    public ObjectMeta Metadata { get; set; } = new();
    public AutoscalerStatus? Status { get; set; }
}

internal sealed class AutoscalerStatus
{
    public int? ActualScale { get; set; }
    public List<ServingCondition>? Conditions { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AutoscalerObject))]
internal sealed partial class AutoscalerJsonContext : JsonSerializerContext;
