using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Prewarm.Functions.Catalog;

internal sealed record CachedModelStatus
{
    /// <summary>Parts of the status that have a writer of their own (<see cref="ModelPart{TStatus}"/>): the line's own status neither holds nor compares them, and a change of them asks for no look.</summary>
    public static readonly string[] OfOthers = ["activation", "reads", "prewarm"];

    public string? Phase { get; set; }
    public long? ObservedGeneration { get; set; }
    public List<ModelCondition>? Conditions { get; set; }
    public List<VersionStatus>? Versions { get; set; }

    /// <summary>The {model} under which predictions are asked for, also when the spec leaves it to the CachedModel's name.</summary>
    public string? Model { get; set; }

    /// <summary>Name of the version that has the traffic.</summary>
    public string? Version { get; set; }

    /// <summary>Cached bytes of the newest version, such as <c>3.1GiB/3.1GiB</c>.</summary>
    public string? Cached { get; set; }

    /// <summary>Warm, Partial, Cold or Unknown: the newest version's warmth.</summary>
    public string? Warmth { get; set; }

    /// <summary>Who gets which share of the traffic, such as <c>v2 100%</c>.</summary>
    public string? Traffic { get; set; }
    public string? Url { get; set; }

    /// <summary>The prefix that this model holds, as <c>oss://bucket/prefix/</c>; null while another CachedModel has it.</summary>
    public string? Source { get; set; }
    public LocalityStatus? Locality { get; set; }
    public HandledRequests? Handled { get; set; }

    /// <summary>The last wake from zero; read here and written by Scale/ActivationWriter.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWriting)]
    public ActivationStatus? Activation { get; set; }

    /// <summary>Reads on the cache's nodes; written by Scale/Reads/ReadWriter.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWriting)]
    public List<ReadStatus>? Reads { get; set; }

    /// <summary>Written by the prewarmer and not read here: declared, so that it is not taken for a newer release's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWriting)]
    public JsonObject? Prewarm { get; set; }

    /// <summary>When the model wants to be looked at again though nothing happens; null: only when something does.</summary>
    public DateTimeOffset? NextLook { get; set; }

    /// <summary>What a newer release has written; kept as it is, so that two releases side by side do not undo one another's work.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Newer { get; set; }
}

/// <summary>meta/v1 Condition.</summary>
internal sealed record ModelCondition
{
    public string Type { get; set; } = "";
    public string Status { get; set; } = "Unknown";
    public string Reason { get; set; } = "";
    public string Message { get; set; } = "";
    public long? ObservedGeneration { get; set; }
    public DateTimeOffset? LastTransitionTime { get; set; }
}

internal sealed record VersionStatus
{
    public string Name { get; set; } = "";
    public string? Digest { get; set; }
    public int? Files { get; set; }
    public long? Bytes { get; set; }

    /// <summary>Uploading, Complete, Warming, Warm, Serving, Retired or Refused.</summary>
    public string State { get; set; } = "Uploading";

    /// <summary>Why the version is in its state, for a person.</summary>
    public string? Message { get; set; }
    public string? Dataset { get; set; }

    /// <summary>Where the version's files lie inside the Dataset, such as <c>/bloom</c>.</summary>
    public string? Path { get; set; }
    public string? DataLoad { get; set; }
    public string? Revision { get; set; }
    public DateTimeOffset? CompletedAt { get; set; }
    public DateTimeOffset? LoadedAt { get; set; }

    /// <summary>Number of the DataLoad now tried, from 0; null: the first.</summary>
    public int? LoadAttempt { get; set; }

    /// <summary>How many DataLoads failed, since the last <c>prewarm.dev/retry</c>; null: none.</summary>
    public int? LoadFailures { get; set; }

    /// <summary>When the next DataLoad is tried after one that failed.</summary>
    public DateTimeOffset? LoadRetryAt { get; set; }

    /// <summary>Cache workers that its cache was made or last taken back with, where those are more than <c>spec.cache.replicas</c>; null: as many.</summary>
    public int? Workers { get; set; }

    /// <summary>Bytes that an adopted Dataset had cached before this version's DataLoad.</summary>
    public long? CachedBefore { get; set; }
    public DateTimeOffset? RolloutStartedAt { get; set; }

    /// <summary>Number of the rollout, from 0; null: the first. Above 0 after <c>prewarm.dev/retry</c>.</summary>
    public int? Attempt { get; set; }

    /// <summary>True once a pod of this version found no node under <c>affinity: required</c> for too long: preferred from then on.</summary>
    public bool? Relaxed { get; set; }

    /// <summary>Passed, Failed, None (no golden.jsonl) or Unasked (another revision came since it passed): the answer check of the revision.</summary>
    public string? Golden { get; set; }

    /// <summary>When the golden questions are asked again, after nobody answered them.</summary>
    public DateTimeOffset? GoldenRetryAt { get; set; }
    public DateTimeOffset? ServingSince { get; set; }

    /// <summary>True once a person rolled back from this version: it gives its traffic away and is not chosen again by itself.</summary>
    public bool? Withdrawn { get; set; }

    /// <summary>W3C traceparent of the event that began this version.</summary>
    public string? Traceparent { get; set; }

    /// <summary>What a newer release has written; kept as it is.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Newer { get; set; }

    /// <summary>All members are values or never changed.</summary>
    public VersionStatus Copy() => this with { };
}

/// <summary>The annotations by people that were acted on, so that an annotation which stays is acted on once.</summary>
internal sealed record HandledRequests
{
    public string? Retry { get; set; }
    public string? Rollback { get; set; }

    /// <summary>The version that <see cref="Rollback"/> went to.</summary>
    public string? RollbackTo { get; set; }
}

/// <summary>How near the served version's bytes are to where they are read.</summary>
internal sealed class LocalityStatus
{
    /// <summary>Local, Spread, Remote, Partial, Cold or Unknown.</summary>
    public string Verdict { get; set; } = "Unknown";
    public string? Reason { get; set; }

    /// <summary>The reason for a person.</summary>
    public string? Message { get; set; }

    /// <summary>Copies of each file asked for.</summary>
    public int? Copies { get; set; }

    /// <summary>Nodes with a cache worker of the version's Dataset.</summary>
    public int? Workers { get; set; }
    public List<LocalityNode>? Nodes { get; set; }

    /// <summary>When the verdict, its reason or its nodes last changed; a look that sees the same leaves it.</summary>
    public DateTimeOffset? ObservedAt { get; set; }
}

internal sealed class LocalityNode
{
    public string Name { get; set; } = "";

    /// <summary>worker, predictor or worker+predictor.</summary>
    public string Role { get; set; } = "";
}
