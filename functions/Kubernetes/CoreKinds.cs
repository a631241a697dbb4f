using System.Text.Json;
using System.Text.Json.Serialization;

namespace Prewarm.Functions.Kubernetes;

/// <summary>The core/v1 kinds that more than one room needs.</summary>
internal static class CoreKinds
{
    public static readonly ResourceType<Secret> Secrets = new("", "v1", "secrets", "Secret", KubernetesJsonContext.Default.Secret);

    public static readonly ResourceType<Node> Nodes = new("", "v1", "nodes", "Node", KubernetesJsonContext.Default.Node, Namespaced: false);

    public static readonly ResourceType<Pod> Pods = new("", "v1", "pods", "Pod", KubernetesJsonContext.Default.Pod);

    public static readonly ResourceType<CoreEvent> Events = new("", "v1", "events", "Event", KubernetesJsonContext.Default.CoreEvent);
}

/// <summary>core/v1 Secret; values are Base64.</summary>
internal sealed class Secret
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public ObjectMeta Metadata { get; set; } = new();
    public Dictionary<string, string>? Data { get; set; }
}

/// <summary>core/v1 Node: its labels, and whether it takes pods.</summary>
internal sealed class Node
{
    public ObjectMeta Metadata { get; set; } = new();
    public NodeSpec? Spec { get; set; }
}

/// <summary>core/v1 NodeSpec.</summary>
internal sealed class NodeSpec
{
    public bool? Unschedulable { get; set; }
}

/// <summary>core/v1 Pod: where it runs, and how far it has come.</summary>
internal sealed class Pod
{
    public ObjectMeta Metadata { get; set; } = new();
    public PodSpec? Spec { get; set; }
    public PodStatus? Status { get; set; }
}

/// <summary>core/v1 PodStatus.</summary>
internal sealed class PodStatus
{
    public string? Phase { get; set; }
    public List<PodCondition>? Conditions { get; set; }
    public List<ContainerStatus>? ContainerStatuses { get; set; }
}

/// <summary>core/v1 PodCondition.</summary>
internal sealed class PodCondition
{
    public string Type { get; set; } = "";
    public string Status { get; set; } = "";
    public string? Reason { get; set; }
    public string? Message { get; set; }
    public DateTimeOffset? LastTransitionTime { get; set; }
}

/// <summary>core/v1 ContainerStatus.</summary>
internal sealed class ContainerStatus
{
    public string Name { get; set; } = "";
    public bool? Ready { get; set; }
    public int? RestartCount { get; set; }
    public ContainerState? State { get; set; }
    public ContainerState? LastState { get; set; }
}

/// <summary>core/v1 ContainerState.</summary>
internal sealed class ContainerState
{
    public ContainerRunning? Running { get; set; }
    public ContainerTerminated? Terminated { get; set; }
}

/// <summary>core/v1 ContainerStateRunning.</summary>
internal sealed class ContainerRunning
{
    public DateTimeOffset? StartedAt { get; set; }
}

/// <summary>core/v1 ContainerStateTerminated.</summary>
internal sealed class ContainerTerminated
{
    public int? ExitCode { get; set; }
    public string? Message { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public DateTimeOffset? FinishedAt { get; set; }
}

/// <summary>core/v1 PodSpec.</summary>
internal sealed class PodSpec
{
    public string? NodeName { get; set; }
}

/// <summary>core/v1 Event: what <c>kubectl describe</c> shows under an object.</summary>
internal sealed class CoreEvent
{
    public string ApiVersion { get; set; } = "v1";
    public string Kind { get; set; } = "Event";
    public ObjectMeta Metadata { get; set; } = new();
    public ObjectReference InvolvedObject { get; set; } = new();
    public string? Reason { get; set; }
    public string? Message { get; set; }

    /// <summary><c>Normal</c> or <c>Warning</c>.</summary>
    public string? Type { get; set; }

    public EventSource? Source { get; set; }
    public DateTimeOffset? FirstTimestamp { get; set; }
    public DateTimeOffset? LastTimestamp { get; set; }

    /// <summary>How often it happened; 1 for the first time.</summary>
    public int? Count { get; set; }
}

/// <summary>core/v1 EventSource.</summary>
internal sealed class EventSource
{
    public string? Component { get; set; }
}

/// <summary>core/v1 ObjectReference.</summary>
internal sealed class ObjectReference
{
    public string? ApiVersion { get; set; }
    public string? Kind { get; set; }
    public string? Namespace { get; set; }
    public string? Name { get; set; }
    public string? Uid { get; set; }
}

/// <summary>meta/v1 Status, the body of every failure.</summary>
internal sealed class KubeStatus
{
    public string? Status { get; set; }
    public string? Message { get; set; }
    public string? Reason { get; set; }
    public int? Code { get; set; }
    public KubeStatusDetails? Details { get; set; }
}

/// <summary>meta/v1 StatusDetails.</summary>
internal sealed class KubeStatusDetails
{
    public int? RetryAfterSeconds { get; set; }
}

/// <summary>meta/v1 DeleteOptions.</summary>
internal sealed class DeleteOptions
{
    public string ApiVersion { get; set; } = "v1";
    public string Kind { get; set; } = "DeleteOptions";
    public string? PropagationPolicy { get; set; }
    public long? GracePeriodSeconds { get; set; }
    public Preconditions? Preconditions { get; set; }
}

/// <summary>meta/v1 Preconditions.</summary>
internal sealed class Preconditions
{
    public string? Uid { get; set; }
}

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    PropertyNameCaseInsensitive = false,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Secret))]
[JsonSerializable(typeof(CoreEvent))]
[JsonSerializable(typeof(Node))]
[JsonSerializable(typeof(Pod))]
[JsonSerializable(typeof(KubeStatus))]
[JsonSerializable(typeof(DeleteOptions))]
internal sealed partial class KubernetesJsonContext : JsonSerializerContext;
