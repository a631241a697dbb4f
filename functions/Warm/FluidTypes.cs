using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Warm;

// data.fluid.io/v1alpha1, the members Prewarm reads or writes (fluid api/v1alpha1/*_types.go).

internal sealed class Dataset : IKubeObject
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public DatasetSpec? Spec { get; set; }
    public DatasetStatus? Status { get; set; }
}

internal sealed class DatasetSpec
{
    public List<DatasetMount>? Mounts { get; set; }
    public List<string>? AccessModes { get; set; }

    /// <summary>Shared: workers of several Datasets may stand on one node.</summary>
    public string? Placement { get; set; }
}

internal sealed class DatasetMount
{
    public string? MountPoint { get; set; }
    public string? Name { get; set; }
    public string? Path { get; set; }
    public Dictionary<string, string>? Options { get; set; }
    public List<EncryptOption>? EncryptOptions { get; set; }
}

internal sealed class EncryptOption
{
    public string? Name { get; set; }
    public EncryptOptionSource? ValueFrom { get; set; }
}

internal sealed class EncryptOptionSource
{
    public SecretKeySelector? SecretKeyRef { get; set; }
}

internal sealed class SecretKeySelector
{
    public string? Name { get; set; }
    public string? Key { get; set; }
}

internal sealed class DatasetStatus
{
    public string? Phase { get; set; }
    public string? UfsTotal { get; set; }
    public Dictionary<string, string>? CacheStates { get; set; }

    /// <summary>Operations that hold or use the Dataset, such as DataLoad: "a,b".</summary>
    public Dictionary<string, string>? OperationRef { get; set; }

    /// <summary>The DataLoad that has the lock, before Fluid 1.0.</summary>
    public string? DataLoadRef { get; set; }

    /// <summary>DataLoads that run; null: none is known to.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? Busy => OperationRef?.GetValueOrDefault("DataLoad") is { Length: > 0 } now ? now : DataLoadRef is { Length: > 0 } before ? before : null;
}

internal sealed class JindoRuntime : IKubeObject
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public JindoRuntimeSpec? Spec { get; set; }
    public JindoRuntimeStatus? Status { get; set; }
}

internal sealed class JindoRuntimeSpec
{
    public int? Replicas { get; set; }
    public TieredStore? Tieredstore { get; set; }
    public JindoFuse? Fuse { get; set; }
}

internal sealed class TieredStore
{
    public List<TierLevel>? Levels { get; set; }
}

internal sealed class TierLevel
{
    public string? Mediumtype { get; set; }
    public string? VolumeType { get; set; }
    public string? Path { get; set; }
    public string? Quota { get; set; }
    public string? High { get; set; }
    public string? Low { get; set; }
}

internal sealed class JindoFuse
{
    public Dictionary<string, string>? Properties { get; set; }
    public List<string>? Args { get; set; }
    public string? CleanPolicy { get; set; }
}

internal sealed class JindoRuntimeStatus
{
    public string? MasterPhase { get; set; }
    public string? WorkerPhase { get; set; }
    public string? FusePhase { get; set; }
}

internal sealed class DataLoad : IKubeObject
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public DataLoadSpec? Spec { get; set; }
    public DataLoadStatus? Status { get; set; }
}

internal sealed class DataLoadSpec
{
    public DataLoadDataset? Dataset { get; set; }
    public bool? LoadMetadata { get; set; }
    public List<DataLoadTarget>? Target { get; set; }
    public int? TtlSecondsAfterFinished { get; set; }
}

internal sealed class DataLoadDataset
{
    public string? Name { get; set; }
    public string? Namespace { get; set; }
}

internal sealed class DataLoadTarget
{
    public string? Path { get; set; }
    public int? Replicas { get; set; }
}

internal sealed class DataLoadStatus
{
    public string? Phase { get; set; }
    public string? Duration { get; set; }
    public List<DataLoadCondition>? Conditions { get; set; }
}

internal sealed class DataLoadCondition
{
    public string? Type { get; set; }
    public string? Status { get; set; }
    public string? Reason { get; set; }
    public string? Message { get; set; }
}
