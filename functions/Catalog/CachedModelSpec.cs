using System.Text.Json.Nodes;

namespace Prewarm.Functions.Catalog;

/// <summary>A null stands for the default, as in a manifest.</summary>
internal sealed class CachedModelSpec
{
    public SourceSpec Source { get; set => field = value ?? new(); } = new();
    public CacheSpec Cache { get; set => field = value ?? new(); } = new();
    public ServingSpec Serving { get; set => field = value ?? new(); } = new();
    public RolloutSpec Rollout { get; set => field = value ?? new(); } = new();
    public PrewarmSpec Prewarm { get; set => field = value ?? new(); } = new();
}

/// <summary>Where the model's files are uploaded to.</summary>
internal sealed class SourceSpec
{
    /// <summary><c>oss://bucket/prefix</c>.</summary>
    public string Uri { get; set => field = value ?? ""; } = "";

    /// <summary>OSS endpoint (<c>oss-cn-hangzhou-internal.aliyuncs.com</c>) or the URL of an S3-compatible store.</summary>
    public string Endpoint { get; set => field = value ?? ""; } = "";

    /// <summary>Secret with the keys <c>fs.oss.accessKeyId</c> and <c>fs.oss.accessKeySecret</c>.</summary>
    public string? CredentialsSecret { get; set; }

    /// <summary>Auto, Folders (each folder below the prefix is a version) or Flat (the files are the one version).</summary>
    public string Versions { get; set => field = value ?? "Auto"; } = "Auto";

    public CompleteSpec Complete { get; set => field = value ?? new(); } = new();
}

/// <summary>When an upload counts as complete.</summary>
internal sealed class CompleteSpec
{
    /// <summary>Auto, Marker, Index, Manifest or Quiet.</summary>
    public string When { get; set => field = value ?? "Auto"; } = "Auto";
    public string Marker { get; set => field = value ?? "_SUCCESS"; } = "_SUCCESS";

    /// <summary>Seconds without a change before an upload that nothing else completes counts as complete.</summary>
    public int QuietSeconds { get; set; } = 60;
    public int StalledAfterMinutes { get; set; } = 60;
}

internal sealed class CacheSpec
{
    /// <summary>Cache workers.</summary>
    public int Replicas { get; set; } = 2;

    /// <summary>Copies of each file (DataLoad target replicas); null means one per worker.</summary>
    public int? Copies { get; set; }

    /// <summary>prefer: serve with WarmthUnproven after the limit; require: never serve unproven.</summary>
    public string Proof { get; set => field = value ?? "prefer"; } = "prefer";

    /// <summary>Seconds a rollout waits for proof of warmth under <c>proof: prefer</c>.</summary>
    public int WarmTimeoutSeconds { get; set; } = 900;

    /// <summary>
    /// What the relay does when a request finds the model at zero and its cache not local. require: the cache is loaded before anything is woken, up to the limit;
    /// prefer: the model is woken at once, and the cache is repaired beside it where that pays; ignore: it is woken at once.
    /// </summary>
    public string Locality { get; set => field = value ?? "prefer"; } = "prefer";

    /// <summary>Seconds a wake waits for the cache under <c>locality: require</c>; then reads from the remote store are accepted.</summary>
    public int LocalityTimeoutSeconds { get; set; } = 120;

    /// <summary>Report: a pod that starts on a node without the cache reads over the network, and that is said; Move: it is deleted once before its container runs, so that it is placed anew.</summary>
    public string OnRemote { get; set => field = value ?? "Report"; } = "Report";

    /// <summary>Bytes: what the cache workers say they hold is the proof; Read: the version is also read on each worker's node, as a pod would.</summary>
    public string Verify { get; set => field = value ?? "Bytes"; } = "Bytes";

    /// <summary>Bytes per second, a quantity: a slower read under <c>verify: Read</c> is none from the cache. The default is a little above 1.5 Gbit/s, what a store is often reached with.</summary>
    public string ReadFloor { get; set => field = value ?? "200Mi"; } = "200Mi";
    public TierSpec Tier { get; set => field = value ?? new(); } = new();
    public int KeepVersions { get; set; } = 2;
    public ExistingDataset? ExistingDataset { get; set; }
}

internal sealed class TierSpec
{
    public string Medium { get; set => field = value ?? "SSD"; } = "SSD";
    public string VolumeType { get; set => field = value ?? "emptyDir"; } = "emptyDir";
    public string Path { get; set => field = value ?? "/mnt/ssd0/cache"; } = "/mnt/ssd0/cache";
    public string Quota { get; set => field = value ?? "50Gi"; } = "50Gi";
    public string High { get; set => field = value ?? "0.95"; } = "0.95";
    public string Low { get; set => field = value ?? "0.7"; } = "0.7";
}

/// <summary>A Dataset that is already there, and the path below its mount that holds the version folders.</summary>
internal sealed class ExistingDataset
{
    public string Name { get; set => field = value ?? ""; } = "";
    public string Path { get; set => field = value ?? "/"; } = "/";
}

internal sealed class ServingSpec
{
    /// <summary>InferenceService name; default: the CachedModel's name.</summary>
    public string? Name { get; set; }

    /// <summary>The {model} of <c>/v1/models/{model}:predict</c>; default: the CachedModel's name.</summary>
    public string? ModelName { get; set; }

    /// <summary>ACK or ACKServerless.</summary>
    public string Platform { get; set => field = value ?? "ACK"; } = "ACK";
    public string? EciSpecs { get; set; }
    public string? ReserveEciSpecs { get; set; }

    /// <summary>required, preferred or off: how strongly pods are placed on nodes with the cache (ACK).</summary>
    public string Affinity { get; set => field = value ?? "preferred"; } = "preferred";

    /// <summary>Seconds that a pod may find no node under <c>affinity: required</c>; then it is relaxed to preferred, until the next version.</summary>
    public int AffinityTimeoutSeconds { get; set; } = 120;

    /// <summary>KServe's predictor as it is; STORAGE_URI is filled in.</summary>
    public JsonObject? Predictor { get; set; }
}

internal sealed class RolloutSpec
{
    /// <summary>Seconds a new revision has to become Ready before its version is refused.</summary>
    public int ReadyTimeoutSeconds { get; set; } = 900;

    /// <summary>Seconds one golden prediction may take, the cold start included.</summary>
    public int GoldenTimeoutSeconds { get; set; } = 600;
}
