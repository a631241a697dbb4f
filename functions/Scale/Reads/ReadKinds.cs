using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Scale.Reads;

/// <summary>batch/v1 Job.</summary>
internal sealed class Job
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set => field = value ?? new(); } = new();

    /// <summary>JobSpec as it is sent.</summary>
    public JsonObject? Spec { get; set; }
    public JobStatus? Status { get; set; }
}

internal sealed class JobStatus
{
    public List<JobCondition>? Conditions { get; set; }
}

internal sealed class JobCondition
{
    /// <summary>Complete or Failed; others are passed through on the way there.</summary>
    public string Type { get; set; } = "";
    public string Status { get; set; } = "";
    public string? Reason { get; set; }
    public string? Message { get; set; }
}

/// <summary>A CachedModel's <c>status.reads</c>.</summary>
internal sealed class ReadModelStatus
{
    public List<ReadStatus>? Reads { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(ModelPart<ReadModelStatus>), TypeInfoPropertyName = "Model")]
internal sealed partial class ReadJsonContext : JsonSerializerContext;

internal static class ReadKinds
{
    /// <summary>Field manager of <c>status.reads</c>.</summary>
    public const string Manager = "prewarm-reads";

    public static readonly ResourceType<Job> Jobs = new("batch", "v1", "jobs", "Job", ReadJsonContext.Default.Job);

    public static readonly ResourceType<ModelPart<ReadModelStatus>> Models = ModelParts.Type(ReadJsonContext.Default.Model);
}
