using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Everything that the diagnosis is made from. What could not be read says why; objects are JSON because only a few fields of many kinds matter.</summary>
internal sealed record ClusterFacts(DoctorSettings Settings)
{
    public required Seen<ServerGreeting> Server { get; init; }

    /// <summary>Kinds by group and version; a group that is missing there has null.</summary>
    public IReadOnlyDictionary<string, Seen<IReadOnlyList<string>>> Kinds { get; init; } = new Dictionary<string, Seen<IReadOnlyList<string>>>();

    /// <summary>Namespaces by name, those of <see cref="ClusterExamination.SystemNamespaces"/>.</summary>
    public IReadOnlyDictionary<string, Seen<JsonObject>> Namespaces { get; init; } = new Dictionary<string, Seen<JsonObject>>();

    /// <summary>Deployments by namespace.</summary>
    public IReadOnlyDictionary<string, Seen<IReadOnlyList<JsonObject>>> Deployments { get; init; } = new Dictionary<string, Seen<IReadOnlyList<JsonObject>>>();

    /// <summary>ConfigMaps of knative-serving by name.</summary>
    public IReadOnlyDictionary<string, Seen<JsonObject>> KnativeSettings { get; init; } = new Dictionary<string, Seen<JsonObject>>();

    public Seen<IReadOnlyList<JsonObject>> Nodes { get; init; } = Seen<IReadOnlyList<JsonObject>>.Not("not asked");

    /// <summary>Of knative-serving and of the models' namespaces.</summary>
    public Seen<IReadOnlyList<JsonObject>> PeerAuthentications { get; init; } = Seen<IReadOnlyList<JsonObject>>.Not("not asked");
    public Seen<IReadOnlyList<JsonObject>> AuthorizationPolicies { get; init; } = Seen<IReadOnlyList<JsonObject>>.Not("not asked");

    /// <summary>Of the models' namespaces and of ours.</summary>
    public Seen<IReadOnlyList<JsonObject>> VirtualServices { get; init; } = Seen<IReadOnlyList<JsonObject>>.Not("not asked");

    /// <summary>Triggers of our own namespace.</summary>
    public Seen<IReadOnlyList<JsonObject>> Triggers { get; init; } = Seen<IReadOnlyList<JsonObject>>.Not("not asked");
    public Seen<IReadOnlyList<CachedModel>> Models { get; init; } = Seen<IReadOnlyList<CachedModel>>.Not("not asked");

    /// <summary>Names of the keys in a credentials Secret, by <c>namespace/name</c>; a Secret that is missing has null. Values are never kept.</summary>
    public IReadOnlyDictionary<string, Seen<IReadOnlyList<string>>> Secrets { get; init; } = new Dictionary<string, Seen<IReadOnlyList<string>>>();

    /// <summary>What an unsigned request to a model's endpoint brought, by endpoint.</summary>
    public IReadOnlyDictionary<string, Seen<StoreGreeting>> Stores { get; init; } = new Dictionary<string, Seen<StoreGreeting>>();

    /// <summary>What the Prometheus of Prewarm__Prometheus__Address answered about the last minute; null: none is set.</summary>
    public Seen<PrometheusAnswer>? Prometheus { get; init; }

    /// <summary>Answers of SelfSubjectAccessReviews.</summary>
    public IReadOnlyList<(NeededRight Right, bool? Allowed)> Rights { get; init; } = [];
}

/// <summary>How this process is set up.</summary>
/// <param name="TokenSet">Whether Events__Token guards the event routes.</param>
/// <param name="Gateway">Gateway__Address; null when not set.</param>
/// <param name="RelaySeconds">Gateway__ActivityTimeoutSeconds.</param>
/// <param name="Functions">FUNCTIONS; empty means all.</param>
/// <param name="Namespaces">PREWARM_NAMESPACES; empty means all.</param>
/// <param name="OwnNamespace">Where the functions run.</param>
/// <param name="Serving">False on somebody's terminal, where token and gateway are not those of the functions.</param>
internal sealed record DoctorSettings(bool Serving, bool TokenSet, string? Gateway, double RelaySeconds, IReadOnlyList<string> Functions, IReadOnlyList<string> Namespaces, string OwnNamespace);

/// <param name="Date">Date header of the store's answer.</param>
/// <param name="Server">Server header, such as <c>AliyunOSS</c>.</param>
/// <param name="SpeaksS3">The answer has a store's request id, or is a store's XML.</param>
internal sealed record StoreGreeting(int Status, DateTimeOffset? Date, DateTimeOffset Asked, DateTimeOffset Answered, string? Server, bool SpeaksS3 = true);
