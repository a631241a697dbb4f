using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Operate.Doctor;
using Prewarm.Functions.Prewarm;

namespace Prewarm.Tests.Unit.Operate;

/// <summary>A cluster in which nothing is wrong; a test breaks one thing of it.</summary>
internal static class ClusterFactsFake
{
    public static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    public static readonly CachedModel Bloom = new()
    {
        Metadata = new() { Name = "bloom", Namespace = "models" },
        Spec = new() { Source = new() { Uri = "oss://b/bloom", Endpoint = "oss-cn-hangzhou-internal.aliyuncs.com", CredentialsSecret = "access-key" } },
    };

    public static ClusterFacts Healthy() => new(new(Serving: true, TokenSet: true, "http://istio-ingressgateway.istio-system", 600, [], ["models"], "prewarm-system"))
    {
        Server = Seen<ServerGreeting>.Of(new("v1.32.0", Now, Now, Now.AddMilliseconds(5))),
        Kinds = new Dictionary<string, string>
        {
            ["prewarm.dev/v1alpha1"] = "cachedmodels",
            ["data.fluid.io/v1alpha1"] = "datasets jindoruntimes dataloads",
            ["serving.kserve.io/v1beta1"] = "inferenceservices",
            ["serving.knative.dev/v1"] = "services revisions routes",
            ["autoscaling.internal.knative.dev/v1alpha1"] = "podautoscalers",
            ["eventing.knative.dev/v1"] = "brokers triggers",
            ["sources.knative.dev/v1"] = "apiserversources pingsources",
            ["networking.istio.io/v1beta1"] = "virtualservices",
            ["cert-manager.io/v1"] = "certificates",
        }.ToDictionary(k => k.Key, k => Seen<IReadOnlyList<string>>.Of(k.Value.Split(' '))),
        Namespaces = new Dictionary<string, Seen<JsonObject>>
        {
            ["knative-serving"] = Object("""{"metadata":{"name":"knative-serving","labels":{"istio-injection":"enabled","app.kubernetes.io/version":"1.21.0"}}}"""),
        },
        Deployments = new Dictionary<string, Seen<IReadOnlyList<JsonObject>>>
        {
            ["fluid-system"] = List(Deployment("dataset-controller", "fluidcloudnative/dataset-controller:v0.9.10-aliyun", "ack-fluid"), Deployment("jindoruntime-controller", "x:v0.9.10", "ack-fluid")),
            ["kserve"] = List(Deployment("kserve-controller-manager", "kserve/kserve-controller:v0.15.2", "kserve")),
            ["kourier-system"] = List(),
        },
        KnativeSettings = new Dictionary<string, Seen<JsonObject>>
        {
            ["config-features"] = Object("""{"data":{"kubernetes.podspec-persistent-volume-claim":"enabled"}}"""),
            ["config-defaults"] = Object("""{"data":{}}"""),
            ["config-autoscaler"] = Object("""{"data":{}}"""),
            ["config-deployment"] = Object("""{"data":{"progress-deadline":"10m"}}"""),
            ["config-network"] = Object("""{"data":{"ingress-class":"istio.ingress.networking.knative.dev"}}"""),
        },
        Nodes = List("""{"metadata":{"name":"n1","labels":{"fluid.io/s-models-bloom-1":"true"}}}""", """{"metadata":{"name":"n2"}}"""),
        PeerAuthentications = List("""{"metadata":{"name":"default","namespace":"models"},"spec":{"mtls":{"mode":"STRICT"}}}"""),
        AuthorizationPolicies = List("""{"metadata":{"name":"allow","namespace":"models"},"spec":{"rules":[{"from":[{"source":{"namespaces":["knative-serving","models"]}}]}]}}"""),
        VirtualServices = List("""{"metadata":{"name":"bloom","namespace":"models"},"spec":{"http":[{"retries":{"attempts":0}}]}}"""),
        Triggers = List("""{"metadata":{"name":"uploads","namespace":"prewarm-system"},"spec":{"subscriber":{"uri":"/events/oss?token=T"}},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"""),
        Models = Seen<IReadOnlyList<CachedModel>>.Of([Bloom]),
        Secrets = new Dictionary<string, Seen<IReadOnlyList<string>>> { ["models/access-key"] = Seen<IReadOnlyList<string>>.Of([SourceSecret.IdKey, SourceSecret.SecretKey]) },
        Stores = new Dictionary<string, Seen<StoreGreeting>> { [Bloom.Spec!.Source.Endpoint] = Seen<StoreGreeting>.Of(new(403, Now, Now, Now.AddMilliseconds(9), "AliyunOSS")) },
        Prometheus = Seen<PrometheusAnswer>.Of(new(PrometheusResult.Read, [new(new Dictionary<string, string> { ["destination_service_namespace"] = "models", ["destination_service_name"] = "bloom-predictor-00001" }, [])])),
        Rights = [.. NeededRight.Of([], ["models"], [Bloom]).Select(r => (r, (bool?)true))],
    };

    public static Seen<JsonObject> Object(string json) => Seen<JsonObject>.Of(JsonNode.Parse(json)!.AsObject());

    public static Seen<IReadOnlyList<JsonObject>> List(params string[] json) => Seen<IReadOnlyList<JsonObject>>.Of([.. json.Select(j => JsonNode.Parse(j)!.AsObject())]);

    public static string Deployment(string name, string image, string release) =>
        new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name, ["annotations"] = new JsonObject { ["meta.helm.sh/release-name"] = release } },
            ["spec"] = new JsonObject { ["template"] = new JsonObject { ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["image"] = image }) } } },
        }.ToJsonString();

    /// <summary>The same dictionary with one entry changed.</summary>
    public static IReadOnlyDictionary<string, T> With<T>(this IReadOnlyDictionary<string, T> all, string key, T value) => new Dictionary<string, T>(all) { [key] = value };
}
