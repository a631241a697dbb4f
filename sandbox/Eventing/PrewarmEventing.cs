using System.Globalization;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Eventing;

/// <summary>How Prewarm's functions hear of the cluster through Knative Eventing.</summary>
internal sealed record PrewarmEventing
{
    /// <summary>Name of the broker, and of all that there is one of.</summary>
    public const string Broker = Name;

    private const string Name = "prewarm";
    private const string ScaleKind = "PodAutoscaler";

    /// <summary>Where the broker, the sources and the triggers live.</summary>
    public required string Namespace { get; init; }

    /// <summary>Base address of the functions.</summary>
    public required Uri Functions { get; init; }

    /// <summary>
    /// <c>Events__Token</c>; null for none. It goes into the addresses as <c>?token=</c>, because neither a Trigger nor a source can set a header;
    /// so whoever may read these objects, or a dead letter's <c>knativeerrordest</c>, knows it.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>Takes what the functions refused or never answered.</summary>
    public Uri? DeadLetter { get; init; }

    /// <summary>Also sends the PodAutoscalers' changes to <c>/events/scale</c>.</summary>
    public bool Scale { get; init; }

    /// <summary>The sweep's period, 1 to 59 s; null = every minute.</summary>
    public int? SweepSeconds { get; init; }

    /// <summary>In the order to apply them in. The ServiceAccount needs rights in every namespace: models may live in any.</summary>
    public IReadOnlyList<(ResourceType<JsonObject> Type, JsonObject Object)> Objects() =>
    [
        (Kinds.ServiceAccounts, Made(Kinds.ServiceAccounts, Name, null)),
        (Kinds.ClusterRoles, Cluster(Kinds.ClusterRoles, new()
        {
            ["rules"] = Json.Array(s_read.Select(r => new JsonObject
            {
                ["apiGroups"] = new JsonArray(r.Group), ["resources"] = Json.Array(r.Plurals.Select(p => (JsonNode)p)), ["verbs"] = new JsonArray("get", "list", "watch"),
            })),
        })),
        (Kinds.ClusterRoleBindings, Cluster(Kinds.ClusterRoleBindings, new()
        {
            ["roleRef"] = new JsonObject { ["apiGroup"] = "rbac.authorization.k8s.io", ["kind"] = "ClusterRole", ["name"] = ClusterName },
            ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = Name, ["namespace"] = Namespace }),
        })),
        (EventingKinds.Brokers, Made(EventingKinds.Brokers, Name, new() { ["delivery"] = Delivery() })),
        .. Triggers().Select(t => (EventingKinds.Triggers, t)),
        (EventingKinds.ApiServerSources, Source("prewarm-models",
        [
            Watched(Kinds.CachedModels, null),
            Watched(Kinds.Datasets, s_ours), Watched(Kinds.DataLoads, s_ours), Watched(Kinds.InferenceServices, s_ours),
            Watched(Kinds.Revisions, s_served),
        ])),
        (EventingKinds.ApiServerSources, Source("prewarm-scale", [Watched(Kinds.PodAutoscalers, s_served)])),
        (EventingKinds.PingSources, Made(EventingKinds.PingSources, "prewarm-sweep", new()
        {
            ["schedule"] = SweepSeconds is { } seconds ? string.Create(CultureInfo.InvariantCulture, $"*/{seconds} * * * * *") : "* * * * *", ["contentType"] = "application/json", ["data"] = """{"sweep":true}""",
            ["sink"] = new JsonObject { ["uri"] = Route("events/sweep") },
        })),
    ];

    private static readonly (string Group, string[] Plurals)[] s_read =
    [
        ("prewarm.dev", ["cachedmodels"]),
        ("data.fluid.io", ["datasets", "dataloads"]),
        ("serving.kserve.io", ["inferenceservices"]),
        ("serving.knative.dev", ["revisions"]),
        ("autoscaling.internal.knative.dev", ["podautoscalers"]),
    ];

    // What we make carries this label; Revisions and PodAutoscalers are made by others and carry KServe's.
    private static readonly JsonObject s_ours = new() { ["matchLabels"] = new JsonObject { ["app.kubernetes.io/managed-by"] = "prewarm" } };

    private static readonly JsonObject s_served = new()
    {
        ["matchExpressions"] = new JsonArray(new JsonObject { ["key"] = "serving.kserve.io/inferenceservice", ["operator"] = "Exists" }),
    };

    private string ClusterName => $"prewarm-events-{Namespace}";

    private JsonObject Delivery()
    {
        var delivery = new JsonObject { ["retry"] = 5, ["backoffPolicy"] = "exponential", ["backoffDelay"] = "PT0.2S", ["timeout"] = "PT30S" };
        if (DeadLetter is { } sink)
        {
            delivery["deadLetterSink"] = new JsonObject { ["uri"] = sink.ToString() };
        }

        return delivery;
    }

    private IEnumerable<JsonObject> Triggers()
    {
        var scale = new JsonObject { ["exact"] = new JsonObject { ["kind"] = ScaleKind } };
        yield return Trigger("prewarm-cluster", "events/cluster", new() { ["not"] = scale });
        yield return OwnTrigger("prewarm-wake", "events/wake", "dev.prewarm.wake.requested");
        yield return OwnTrigger("prewarm-traffic", "events/traffic", "dev.prewarm.traffic.observed");
        if (Scale)
        {
            yield return Trigger("prewarm-scale", "events/scale", scale.DeepClone().AsObject());
        }
    }

    /// <summary>An event of our own.</summary>
    private JsonObject OwnTrigger(string name, string route, string type) => Made(EventingKinds.Triggers, name, new()
    {
        ["broker"] = Name,
        ["filters"] = new JsonArray(new JsonObject { ["exact"] = new JsonObject { ["type"] = type } }),
        ["subscriber"] = new JsonObject { ["uri"] = Route(route) },
    });

    private JsonObject Trigger(string name, string route, JsonObject kinds) => Made(EventingKinds.Triggers, name, new()
    {
        ["broker"] = Name,
        ["filters"] = new JsonArray(new JsonObject
        {
            ["all"] = new JsonArray(new JsonObject { ["prefix"] = new JsonObject { ["type"] = "dev.knative.apiserver.resource." } }, kinds),
        }),
        ["subscriber"] = new JsonObject { ["uri"] = Route(route) },
    });

    private JsonObject Source(string name, JsonArray resources) => Made(EventingKinds.ApiServerSources, name, new()
    {
        ["serviceAccountName"] = Name,
        ["mode"] = "Resource",
        ["namespaceSelector"] = new JsonObject(),
        ["resources"] = resources,
        ["sink"] = new JsonObject
        {
            ["ref"] = new JsonObject { ["apiVersion"] = "eventing.knative.dev/v1", ["kind"] = "Broker", ["name"] = Name, ["namespace"] = Namespace },
        },
    });

    private static JsonObject Watched(ResourceType<JsonObject> type, JsonObject? selector)
    {
        var resource = new JsonObject { ["apiVersion"] = type.ApiVersion, ["kind"] = type.Kind };
        if (selector is not null)
        {
            resource["selector"] = selector.DeepClone();
        }

        return resource;
    }

    private string Route(string path) => new Uri(Functions, "/" + path + (Token is null ? "" : $"?token={Uri.EscapeDataString(Token)}")).ToString();

    private JsonObject Made(ResourceType<JsonObject> type, string name, JsonObject? spec)
    {
        var made = new JsonObject
        {
            ["apiVersion"] = type.ApiVersion,
            ["kind"] = type.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = Namespace, ["labels"] = Labels() },
        };
        if (spec is not null)
        {
            made["spec"] = spec;
        }

        return made;
    }

    private JsonObject Cluster(ResourceType<JsonObject> type, JsonObject made)
    {
        made["apiVersion"] = type.ApiVersion;
        made["kind"] = type.Kind;
        made["metadata"] = new JsonObject { ["name"] = ClusterName, ["labels"] = Labels() };
        return made;
    }

    private static JsonObject Labels() => new() { ["app.kubernetes.io/part-of"] = "prewarm" };
}
