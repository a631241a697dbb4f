using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Operate.Doctor;
using Prewarm.Functions.Prewarm;
using Prewarm.Tests.Unit.Manifests;
using Xunit;
using static Prewarm.Tests.Unit.Operate.ClusterFactsFake;

namespace Prewarm.Tests.Unit.Operate;

public sealed class DiagnosisTests
{
    private static readonly (string Name, string Check, string Severity, string Says, Func<ClusterFacts, ClusterFacts> Break)[] s_cases =
    [
        ("no API server", "api-server", "Error", "connection refused", f => f with { Server = Seen<ServerGreeting>.Not("connection refused") }),
        ("no Fluid", "parts/fluid", "Error", "datasets, jindoruntimes, dataloads", f => f with { Kinds = f.Kinds.With("data.fluid.io/v1alpha1", new(null, null)) }),
        ("no JindoRuntime", "parts/fluid", "Error", "lacks jindoruntimes", f => f with { Kinds = f.Kinds.With("data.fluid.io/v1alpha1", Seen<IReadOnlyList<string>>.Of(["datasets", "dataloads"])) }),
        ("no cert-manager", "parts/cert-manager", "Warning", "certificates", f => f with { Kinds = f.Kinds.With("cert-manager.io/v1", new(null, null)) }),
        ("both Fluids", "versions/fluid", "Error", "cannot be together", f => f with { Deployments = f.Deployments.With("fluid-system", List(Deployment("dataset-controller", "x:v1.0.8", "fluid"), Deployment("jindoruntime-controller", "x:v0.9.10", "ack-fluid"))) }),
        ("old ack-fluid", "versions/fluid", "Error", "v0.9.9", f => f with { Deployments = f.Deployments.With("fluid-system", List(Deployment("dataset-controller", "r:5000/x:v0.9.9-aliyun", "ack-fluid"), Deployment("jindoruntime-controller", "x:v0.9.9", "ack-fluid"))) }),
        ("Jindo off", "versions/fluid", "Error", "jindoruntime-controller", f => f with { Deployments = f.Deployments.With("fluid-system", List(Deployment("dataset-controller", "x:v1.0.8", "fluid"))) }),
        ("Kourier", "parts/kourier", "Error", "Kourier is installed", f => f with { Deployments = f.Deployments.With("kourier-system", List(Deployment("3scale-kourier-gateway", "x:1", "k"))) }),
        ("Kourier's class", "parts/kourier", "Error", "kourier.ingress", f => f with { KnativeSettings = f.KnativeSettings.With("config-network", Object("""{"data":{"ingress-class":"kourier.ingress.networking.knative.dev"}}""")) }),
        ("no PVCs", "knative/pvc", "Error", "not set (disabled)", f => f with { KnativeSettings = f.KnativeSettings.With("config-features", Object("""{"data":{"_example":"…"}}""")) }),
        ("tolerations refused", "knative/podspec", "Error", "kubernetes.podspec-tolerations is not set (disabled): Knative refuses spec.serving.predictor.tolerations of models/bloom", f => f with { Models = Seen<IReadOnlyList<CachedModel>>.Of([Asking("tolerations", """[{"key":"gpu"}]""")]) }),
        ("node selector switched off", "knative/podspec", "Error", "kubernetes.podspec-nodeselector is disabled", f => f with { Models = Seen<IReadOnlyList<CachedModel>>.Of([Asking("nodeSelector", """{"gpu":"a10"}""")]), KnativeSettings = f.KnativeSettings.With("config-features", Object("""{"data":{"kubernetes.podspec-persistent-volume-claim":"enabled","kubernetes.podspec-nodeselector":"disabled"}}""")) }),
        ("no scale to zero", "knative/scale-to-zero", "Warning", "enable-scale-to-zero is false", f => f with { KnativeSettings = f.KnativeSettings.With("config-autoscaler", Object("""{"data":{"enable-scale-to-zero":"false"}}""")) }),
        ("timeout past Knative's", "timeouts/chain", "Error", "1200 s", f => f with { Models = Seen<IReadOnlyList<CachedModel>>.Of([Timeout("1200")]), Settings = f.Settings with { RelaySeconds = 1200 } }),
        ("timeout past the relay's", "timeouts/chain", "Warning", "the relay gives up after 300 s", f => f with { Settings = f.Settings with { RelaySeconds = 300 } }),
        ("refused before Knative gives up", "timeouts/chain", "Warning", "readyTimeoutSeconds is 900", f => f with { KnativeSettings = f.KnativeSettings.With("config-deployment", Object("""{"data":{"progress-deadline":"1h"}}""")) }),
        ("cold starts too long", "timeouts/cold-start", "Warning", "took 550 s (Cold cache), and the relay's limit is 600 s", f => f with { Models = Seen<IReadOnlyList<CachedModel>>.Of([Woken("Ready", 550)]) }),
        ("a wake that timed out", "timeouts/cold-start", "Warning", "had no ready pod in time", f => f with { Models = Seen<IReadOnlyList<CachedModel>>.Of([Woken("TimedOut", 0)]) }),
        ("strict without sidecars", "mesh/activator-sidecar", "Error", "no sidecars", f => f with { Namespaces = f.Namespaces.With("knative-serving", Object("""{"metadata":{"name":"knative-serving","labels":{"serving.knative.dev/release":"v0.26.0"}}}""")) }),
        ("activator shut out", "mesh/activator-allowed", "Error", "lets nobody of knative-serving in", f => f with { AuthorizationPolicies = List("""{"metadata":{"name":"own","namespace":"models"},"spec":{"rules":[{"from":[{"source":{"namespaces":["models"]}}]}]}}""") }),
        ("everybody denied", "mesh/activator-allowed", "Error", "denies everybody", f => f with { AuthorizationPolicies = List("""{"metadata":{"name":"no","namespace":"models"},"spec":{"action":"DENY","rules":[{}]}}""") }),
        ("mesh retries", "mesh/retries", "Warning", "models/bloom", f => f with { VirtualServices = List("""{"metadata":{"name":"bloom","namespace":"models"},"spec":{"http":[{"route":[]}]}}""") }),
        ("store away", "store/endpoint", "Error", "No route to host", f => f with { Stores = f.Stores.With(Bloom.Spec!.Source.Endpoint, Seen<StoreGreeting>.Not("No route to host")) }),
        ("no store", "store/endpoint", "Error", "answers 200 as nginx, but not as an object store", f => f with { Stores = f.Stores.With(Bloom.Spec!.Source.Endpoint, Seen<StoreGreeting>.Of(new(200, Now, Now, Now, "nginx", SpeaksS3: false))) }),
        ("no Secret", "store/secret", "Error", "does not exist", f => f with { Secrets = f.Secrets.With("models/access-key", new(null, null)) }),
        ("half a Secret", "store/secret", "Error", SourceSecret.SecretKey, f => f with { Secrets = f.Secrets.With("models/access-key", Seen<IReadOnlyList<string>>.Of([SourceSecret.IdKey])) }),
        ("Secret unseen", "store/secret", "Unknown", "may not look", f => f with { Secrets = f.Secrets.With("models/access-key", Seen<IReadOnlyList<string>>.Not("this account may not look")) }),
        ("API server's clock", "clocks/api-server", "Warning", "60 s ahead", f => f with { Server = Seen<ServerGreeting>.Of(new("v1.32.0", Now.AddSeconds(60), Now, Now)) }),
        ("store's clock", "clocks/store", "Error", "refuses every signed request", f => f with { Stores = f.Stores.With(Bloom.Spec!.Source.Endpoint, Seen<StoreGreeting>.Of(new(403, Now.AddMinutes(-20), Now, Now, null))) }),
        ("too many workers", "nodes/cache-workers", "Warning", "2 cache workers and there are 1 nodes", f => f with { Nodes = List("""{"metadata":{"name":"n1"}}""") }),
        ("a right missing", "rights", "Error", "create dataloads.data.fluid.io in models (ModelUploaded)", f => f with { Rights = [.. f.Rights.Select(r => (r.Right, (bool?)!(r.Right is { Resource: "dataloads", Verb: "create" })))] }),
        ("no token", "events/token", "Warning", "not set", f => f with { Settings = f.Settings with { TokenSet = false } }),
        ("events from outside", "events/outside", "Warning", "prewarm-upload-events", f => f with { VirtualServices = List("""{"metadata":{"name":"prewarm-upload-events","namespace":"prewarm-system"},"spec":{"http":[{"match":[{"uri":{"exact":"/events/oss"}}],"retries":{"attempts":0}}]}}""") }),
        ("Trigger without the token", "events/triggers", "Error", "401: uploads", f => f with { Triggers = List("""{"metadata":{"name":"uploads"},"spec":{"subscriber":{"uri":"/events/oss"}}}""") }),
        ("no Triggers", "events/triggers", "Error", "has no Trigger", f => f with { Triggers = List() }),
        ("Trigger not ready", "events/triggers", "Error", "not Ready: uploads", f => f with { Triggers = List("""{"metadata":{"name":"uploads"},"spec":{"subscriber":{"uri":"/x?token=T"}},"status":{"conditions":[{"type":"Ready","status":"False"}]}}""") }),
        ("Prometheus down", "prometheus", "Warning", "Unreachable: Connection refused", f => f with { Prometheus = Seen<PrometheusAnswer>.Of(PrometheusAnswer.No(PrometheusResult.Unreachable, "Connection refused")) }),
        ("Prometheus too slow", "prometheus", "Warning", "no answer within 10 s", f => f with { Prometheus = Seen<PrometheusAnswer>.Not("no answer within 10 s") }),
        ("Prometheus in part", "prometheus", "Warning", "a store is down", f => f with { Prometheus = Seen<PrometheusAnswer>.Of(new(PrometheusResult.Partial, [], "a store is down")) }),
        ("Prometheus with rates", "prometheus", "Warning", "3 of its values are no counts", f => f with { Prometheus = Seen<PrometheusAnswer>.Of(new(PrometheusResult.Read, [], "", 3)) }),
        ("Prometheus of others", "prometheus", "Warning", "the 1 series of the last hour names a model", f => f with { Prometheus = Seen<PrometheusAnswer>.Of(new(PrometheusResult.Read, [new(new Dictionary<string, string> { ["app"] = "x" }, [])])) }),
        ("no gateway", "settings/gateway", "Error", "Gateway__Address", f => f with { Settings = f.Settings with { Gateway = null } }),
    ];

    public static TheoryData<string> Cases => [.. s_cases.Select(c => c.Name)];

    [Fact]
    public void Healthy_Cluster_HasNothingToFix()
    {
        var report = Diagnosis.Of(Healthy());
        Assert.Equal([], report.Findings.Where(f => f.Severity != Severity.Ok));
        Assert.True(report.Healthy);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Broken_Cluster_IsSaidWithTheFix(string name)
    {
        var (_, check, severity, says, broken) = s_cases.Single(c => c.Name == name);
        var report = Diagnosis.Of(broken(Healthy()));
        var finding = Assert.Single(report.Findings, f => f.Severity != Severity.Ok);
        Assert.Equal((check, severity), (finding.Check, finding.Severity.ToString()));
        Assert.Contains(says, finding.Message, StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(finding.Fix));
        Assert.Equal(severity != "Error", report.Healthy);
    }

    [Fact]
    public void Blind_Account_SaysUnknownAndNeverThatAllIsWell()
    {
        var report = Diagnosis.Of(new(Healthy().Settings) { Server = Healthy().Server });
        Assert.Equal(["api-server", "clocks/api-server", "events/token", "settings/gateway"], report.Findings.Where(f => f.Severity == Severity.Ok).Select(f => f.Check).Order(StringComparer.Ordinal));
        Assert.True(report.Unknown > 10);
    }

    [Fact]
    public void Terminal_SettingsOfTheProcess_AreNotJudged()
    {
        var facts = Healthy();
        var report = Diagnosis.Of(facts with { Settings = facts.Settings with { Serving = false, TokenSet = false, Gateway = null } });
        Assert.Equal([], report.Findings.Where(f => f.Severity != Severity.Ok || f.Check is "events/token" or "settings/gateway"));
    }

    [Theory]
    [InlineData("600", 600.0)]
    [InlineData("10m", 600.0)]
    [InlineData("1h30m", 5400.0)]
    [InlineData("1.5s", 1.5)]
    [InlineData("600s", 600.0)]
    [InlineData("ten", null)]
    [InlineData("5x", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void Seconds_OfGoDurations(string? text, double? seconds) => Assert.Equal(seconds, KnativeSettings.Seconds(text));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-1, 0)]
    [InlineData(30, 30)]
    [InlineData(-31, -30)]
    public void Skew_OfAnAnswersDate_AllowsForItsWholeSeconds(int dateSeconds, int skew) =>
        Assert.Equal(TimeSpan.FromSeconds(skew), Surroundings.Skew(Now.AddSeconds(dateSeconds), Now, Now));

    [Fact]
    public void NeededRights_AreThoseOfTheManifests()
    {
        static IEnumerable<string> Table(string account) => RightsTable.Of(account).Where(r => r.EndsWith(" " + RightsTable.Models, StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        static IEnumerable<string> Needed(params string[] functions) => NeededRight.Of(functions, [RightsTable.Models], [])
            .Select(r => $"{r.Verb} {r.Group}/{r.Resource}{(r.Subresource is null ? "" : "/" + r.Subresource)} {RightsTable.Models}").Order(StringComparer.Ordinal);
        Assert.Equal(Table("prewarm-line"), Needed("ModelUploaded", "ClusterChanged", "ScaleSignalled", "Sweep"));
        Assert.Equal(Table("prewarm-relay"), Needed("Predict"));
        Assert.Equal(Table("prewarm-prewarmer"), Needed("PrewarmTick"));
    }

    private static CachedModel Timeout(string seconds) => new()
    {
        Metadata = Bloom.Metadata,
        Spec = new()
        {
            Source = Bloom.Spec!.Source,
            Serving = new() { Predictor = new() { ["timeout"] = int.Parse(seconds, System.Globalization.CultureInfo.InvariantCulture) } },
        },
    };

    [Fact]
    public void PodSpec_FlagOn_IsNoFinding()
    {
        var facts = Healthy() with { Models = Seen<IReadOnlyList<CachedModel>>.Of([Asking("tolerations", "[]")]) };
        var report = Diagnosis.Of(facts with { KnativeSettings = facts.KnativeSettings.With("config-features", Object("""{"data":{"kubernetes.podspec-persistent-volume-claim":"enabled","kubernetes.podspec-tolerations":"Allowed"}}""")) });
        Assert.Equal([], report.Findings.Where(f => f.Severity != Severity.Ok));
    }

    private static CachedModel Asking(string field, string json) => new()
    {
        Metadata = Bloom.Metadata,
        Spec = new() { Source = Bloom.Spec!.Source, Serving = new() { Predictor = new() { [field] = System.Text.Json.Nodes.JsonNode.Parse(json) } } },
    };

    private static CachedModel Woken(string phase, double seconds) => new()
    {
        Metadata = Bloom.Metadata,
        Spec = Bloom.Spec,
        Status = new() { Activation = new() { Phase = phase, Verdict = "Cold", Reason = "NoPod", Since = Now, Phases = [new() { Name = "total", Seconds = seconds }] } },
    };
}
