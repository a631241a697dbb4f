using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Prewarm;

/// <summary>status.prewarm of a CachedModel: written by the prewarmer alone, as the rest is by the line alone.</summary>
internal sealed record PrewarmStatus
{
    public int Pods { get; init; }

    /// <summary>Kept or Released.</summary>
    public string Cache { get; init; } = "Kept";
    public string Why { get; init; } = "";

    /// <summary>When it ends unless it is renewed.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>UTC day of <see cref="PodSeconds"/>.</summary>
    public string? Day { get; init; }

    /// <summary>Pod-seconds of this day, reserved before they are held: a crash can lose some, never overdraw.</summary>
    public double PodSeconds { get; init; }

    /// <summary>GB that are charged to a budget now; null: none are.</summary>
    public double? CacheGb { get; init; }

    /// <summary>Until when they are paid for.</summary>
    public DateTimeOffset? CacheUntil { get; init; }

    /// <summary>GB-seconds of this day, paid before they are used; null: no budget asks.</summary>
    public double? CacheGbSeconds { get; init; }

    /// <summary>What keeping the cache costs against its usual price, because of the budgets in GB-hours; null: the usual.</summary>
    public double? CachePrice { get; init; }

    /// <summary>Cache workers that would let the held pods read their weights at once; null: as many as there are will do.</summary>
    public int? CacheWorkers { get; init; }
    public long Hits { get; init; }
    public long Late { get; init; }
    public long Wasted { get; init; }

    /// <summary>Whose windows are followed: learned, own, hybrid, off or fixed-SECONDS; null: none, because there is no patience or nothing was learned.</summary>
    public string? Policy { get; init; }

    /// <summary>Cold starts more than the best fixed keep-alive in hindsight would have had, idle time counted at the model's patience, over the last few hundred gaps.</summary>
    public double? Regret { get; init; }

    /// <summary>What an idle second costs against its usual price, because of the budgets; null: the usual.</summary>
    public double? Price { get; init; }

    /// <summary>
    /// With what this UTC day has cost: where the last one told is over, what was paid beyond midnight. A clock that jumps back over midnight does not begin the day before anew.
    /// </summary>
    public PrewarmStatus Today(DateTimeOffset now)
    {
        var day = now.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
        if (string.CompareOrdinal(Day, day) >= 0)
        {
            return this;
        }

        var midnight = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero);
        return this with
        {
            Day = day,
            PodSeconds = Pods * Beyond(Until),
            CacheGbSeconds = CacheGbSeconds is null ? null : (CacheGb ?? 0) * Beyond(CacheUntil),
        };

        double Beyond(DateTimeOffset? until) => until > midnight ? Math.Round((until.Value - midnight).TotalSeconds, 1) : 0;
    }
}

/// <summary>A CachedModel's <c>status.prewarm</c>.</summary>
internal sealed class PrewarmedStatus
{
    public PrewarmStatus? Prewarm { get; set; }
}

/// <summary>core/v1 ConfigMap.</summary>
internal sealed class StateMap
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set => field = value ?? new(); } = new();

    /// <summary>Base64.</summary>
    public Dictionary<string, string>? BinaryData { get; set; }
}

/// <summary>serving.knative.dev Revision and its PodAutoscaler: metadata and pods.</summary>
internal sealed class Scaled
{
    public ObjectMeta Metadata { get; set => field = value ?? new(); } = new();
    public ScaledStatus? Status { get; set; }
}

internal sealed class ScaledStatus
{
    public int? ActualScale { get; set; }

    /// <summary>Above 0 while pods are on their way, which read already.</summary>
    public int? DesiredScale { get; set; }
    public int? ActualReplicas { get; set; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ModelPart<PrewarmedStatus>), TypeInfoPropertyName = "Model")]
[JsonSerializable(typeof(StateMap))]
[JsonSerializable(typeof(Scaled))]
internal sealed partial class PrewarmJsonContext : JsonSerializerContext;

internal static class PrewarmKinds
{
    public static readonly ResourceType<ModelPart<PrewarmedStatus>> Models = ModelParts.Type(PrewarmJsonContext.Default.Model);
    public static readonly ResourceType<StateMap> ConfigMaps = new("", "v1", "configmaps", "ConfigMap", PrewarmJsonContext.Default.StateMap);
    public static readonly ResourceType<Scaled> Revisions = new("serving.knative.dev", "v1", "revisions", "Revision", PrewarmJsonContext.Default.Scaled);
    public static readonly ResourceType<Scaled> Autoscalers = new("autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers", "PodAutoscaler", PrewarmJsonContext.Default.Scaled);

    /// <summary>Field manager of status.prewarm.</summary>
    public const string StatusManager = "prewarm-tick";
}
