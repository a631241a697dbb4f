using System.Text.Json;
using System.Text.Json.Serialization;

namespace Prewarm.Functions.Kubernetes;

/// <summary>core/v1 Secret; values are Base64.</summary>
internal sealed class Secret
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public Dictionary<string, string>? Data { get; set; }
}

/// <summary>meta/v1 Status, the body of a failure.</summary>
internal sealed class KubeStatus
{
    public string? Message { get; set; }
    public string? Reason { get; set; }
    public int? Code { get; set; }
}

/// <summary>meta/v1 DeleteOptions.</summary>
internal sealed class DeleteOptions
{
    public string ApiVersion { get; set; } = "v1";
    public string Kind { get; set; } = "DeleteOptions";
    public string PropagationPolicy { get; set; } = "Background";
    public long? GracePeriodSeconds { get; set; }
    public Preconditions? Preconditions { get; set; }
}

internal sealed class Preconditions
{
    public string? Uid { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Secret))]
[JsonSerializable(typeof(KubeStatus))]
[JsonSerializable(typeof(DeleteOptions))]
internal sealed partial class KubernetesJsonContext : JsonSerializerContext;

internal static class CoreKinds
{
    public static readonly ResourceType<Secret> Secrets = new("", "v1", "secrets", "Secret", KubernetesJsonContext.Default.Secret);
}
