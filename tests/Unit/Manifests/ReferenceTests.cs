using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Names that one file says and another has to hold, over the sets that are applied together.</summary>
public sealed partial class ReferenceTests
{
    public static readonly TheoryData<string> Sets =
    [
        "knative+eventing",
        "knative/overlays/ack+eventing",
        "knative/overlays/ack-serverless+eventing/overlays/cesql",
        "knative+eventing/overlays/kafka",
        "knative/overlays/oidc+eventing/overlays/oidc",
        "knative+eventing+knative/monitoring+knative/optional/external-upload-events+knative/optional/models-only-through-relay+knative/optional/functions-host+knative/examples/bloom",
    ];

    // What other installations bring.
    private static readonly HashSet<string> s_foreign = ["istio-system"];

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task References_All_NameAnObjectOfTheSet(string set)
    {
        var objects = await Kubectl.BuildAsync(set);
        bool Has(string group, string? kind, string? ns, string? name) =>
            objects.Any(o => o.Group() == group && o.Kind() == kind && o.Name() == name && o.Namespace() == (ns ?? ""));
        var seen = 0;
        foreach (var obj in objects)
        {
            foreach (var reference in All(obj, "ref").OfType<JsonObject>())
            {
                seen++;
                Assert.True(Has(reference.Group(), reference.Text("kind"), reference.Text("namespace") ?? obj.Namespace(), reference.Text("name")), $"{Of(obj)} refers to {reference.ToJsonString()}");
            }

            if (obj.Kind() == "Trigger")
            {
                Assert.True(Has("eventing.knative.dev", "Broker", obj.Namespace(), obj.Text("spec", "broker")), Of(obj));
            }

            if (obj.At("roleRef") is { } role)
            {
                var space = role.Text("kind") == "Role" ? obj.Namespace() : null;
                Assert.True(Has("rbac.authorization.k8s.io", role.Text("kind"), space, role.Text("name")), $"{Of(obj)} binds {role.ToJsonString()}");
                Assert.All(obj["subjects"].Objects(), s => Assert.True(Has("", s.Text("kind"), s.Text("namespace"), s.Text("name")), $"{Of(obj)} binds to {s.ToJsonString()}"));
            }

            foreach (var account in All(obj, "serviceAccountName"))
            {
                seen++;
                Assert.True(Has("", "ServiceAccount", obj.Namespace(), account.ToString()), $"{Of(obj)} runs as {account}");
            }

            foreach (var key in All(obj, "configMapKeyRef"))
            {
                seen++;
                Assert.Contains(objects, o => o.Kind() == "ConfigMap" && o.Namespace() == obj.Namespace() && o.Name() == key.Text("name") && o.At("data", key.Text("key")!) is not null);
            }

            Assert.True(obj.Namespace().Length == 0 || s_foreign.Contains(obj.Namespace()) || Has("", "Namespace", null, obj.Namespace()), $"{Of(obj)} is in a namespace that nothing makes");
        }

        Assert.True(seen > 15, $"only {seen} references were seen");
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task Selectors_All_MatchPodsOfTheSet(string set)
    {
        var objects = await Kubectl.BuildAsync(set);
        var pods = objects.Where(o => o.IsKnativeService()).Select(s => (Namespace: s.Namespace(), Labels: s.At("spec", "template", "metadata", "labels") as JsonObject ?? [])).ToList();
        var selecting = objects.Where(o => o.At("spec", "selector") is not null && !s_foreign.Contains(o.Namespace())).ToList();
        Assert.True(selecting.Count >= 6);
        Assert.All(selecting, o => Assert.True(pods.Any(p => p.Namespace == o.Namespace() && Matches(o.At("spec", "selector")!, p.Labels)), $"{Of(o)} selects nothing"));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task ModelNamespaces_Settings_SourcesAndRights_AreTheSame(string set)
    {
        var objects = await Kubectl.BuildAsync(set);
        var labelled = objects.Where(o => o.Kind() == "Namespace" && o.Text("metadata", "labels", "prewarm.dev/models") == "true").Select(o => o.Name()).Order(StringComparer.Ordinal).ToList();
        var settings = objects.Single(o => o.Kind() == "ConfigMap" && o.Name().StartsWith("prewarm-settings", StringComparison.Ordinal));
        Assert.Equal(labelled, settings.Text("data", "namespaces")!.Split(',').Order(StringComparer.Ordinal));
        foreach (var account in (string[])["prewarm-line", "prewarm-relay", "prewarm-operate", "prewarm-events"])
        {
            Assert.Equal(labelled, objects.Where(o => o.Kind() == "RoleBinding" && o["subjects"].Objects().Any(s => s.Text("name") == account)).Select(o => o.Namespace()).Distinct().Order(StringComparer.Ordinal));
        }

        var sources = objects.Where(o => o.Kind() == "ApiServerSource").ToList();
        Assert.Equal(2, sources.Count);
        Assert.All(sources, source => Assert.Equal(labelled,
            objects.Where(o => o.Kind() == "Namespace" && Matches(source.At("spec", "namespaceSelector")!, (JsonObject)o.At("metadata", "labels")!)).Select(o => o.Name())));
    }

    [Fact]
    public async Task Senders_OfTheBroker_AreAllInThePolicy_AndTheRelayBringsItsToken()
    {
        var objects = await Kubectl.BuildAsync("knative/overlays/oidc+eventing/overlays/oidc");
        var from = Assert.Single(objects, o => o.Kind() == "EventPolicy").At("spec", "from").Objects().ToList();
        var sources = objects.Where(o => o.Group() == "sources.knative.dev" && o.Text("spec", "sink", "ref", "kind") == "Broker").ToList();
        Assert.NotEmpty(sources);
        Assert.Equal(sources.Select(Of).Order(StringComparer.Ordinal),
            from.Select(f => f.At("ref")).OfType<JsonObject>().Select(r => $"{r.Text("kind")} {r.Text("namespace")}/{r.Text("name")}").Order(StringComparer.Ordinal));
        // Whatever else has the broker's address sends by itself.
        var senders = objects.Where(o => o.IsKnativeService() && All(o, "env").SelectMany(e => e.Objects()).Any(e => e.Text("name") == "K_SINK")).ToList();
        Assert.Equal(senders.Select(s => $"system:serviceaccount:{s.Namespace()}:{s.Text("spec", "template", "spec", "serviceAccountName")}"), from.Select(f => f.Text("sub")).OfType<string>());
        foreach (var pod in senders.Select(s => s.At("spec", "template", "spec")!))
        {
            var container = pod["containers"].Objects().Single();
            var file = container["env"].Objects().Single(e => e.Text("name") == "Events__SenderTokenFile").Text("value")!;
            var mount = container["volumeMounts"].Objects().Single(m => file.StartsWith(m.Text("mountPath") + "/", StringComparison.Ordinal));
            var token = pod["volumes"].Objects().Single(v => v.Text("name") == mount.Text("name")).At("projected", "sources").Objects().Single().At("serviceAccountToken");
            Assert.Equal((file[(mount.Text("mountPath")!.Length + 1)..], "eventing.knative.dev/broker/prewarm-system/prewarm"), (token.Text("path"), token.Text("audience")));
        }
    }

    [Fact]
    public async Task Cesql_SaysWhatTheOtherFiltersSay()
    {
        var plain = (await Kubectl.BuildAsync("eventing")).Where(o => o.Kind() == "Trigger").ToDictionary(o => o.Name(), StringComparer.Ordinal);
        var cesql = (await Kubectl.BuildAsync("eventing/overlays/cesql")).Where(o => o.Kind() == "Trigger").ToList();
        Assert.Equal(plain.Keys.Order(StringComparer.Ordinal), cesql.Select(o => o.Name()).Order(StringComparer.Ordinal));
        foreach (var trigger in cesql)
        {
            var expression = Assert.Single(trigger.At("spec", "filters").Objects()).Text("cesql");
            Assert.NotNull(expression);
            var said = Literals().Matches(expression).Select(m => m.Groups["text"].Value.Trim('%'));
            Assert.Equal(Leaves(plain[trigger.Name()].At("spec", "filters")).Distinct().Order(StringComparer.Ordinal), said.Distinct().Order(StringComparer.Ordinal));
            Assert.Equal(All(plain[trigger.Name()], "not").Any(), expression.Contains("<>", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task ClusterWide_OnlyNodes()
    {
        var objects = await Kubectl.BuildAsync("knative+eventing");
        var binding = Assert.Single(objects, o => o.Kind() == "ClusterRoleBinding");
        var role = objects.Single(o => o.Kind() == "ClusterRole" && o.Name() == binding.Text("roleRef", "name"));
        Assert.Equal("""[{"apiGroups":[""],"resources":["nodes"],"verbs":["list","watch"]}]""", role["rules"]!.ToJsonString());
    }

    [Fact]
    public async Task Secrets_AreDocumented()
    {
        var objects = await Kubectl.BuildAsync("knative");
        var operations = ManifestFolder.Read("docs/operations.md");
        var secrets = objects.SelectMany(o => All(o, "secretKeyRef")).Select(s => (Name: s.Text("name"), Key: s.Text("key"))).Distinct().ToList();
        Assert.NotEmpty(secrets);
        Assert.All(secrets, s => Assert.Contains($"create secret generic {s.Name} --from-literal={s.Key}=", operations, StringComparison.Ordinal));
    }

    [GeneratedRegex("'(?<text>[^']*)'", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Literals();

    private static IEnumerable<string> Leaves(JsonNode? node) => node switch
    {
        JsonObject obj => obj.SelectMany(p => Leaves(p.Value)),
        JsonArray list => list.SelectMany(Leaves),
        null => [],
        _ => [node.ToString()],
    };

    private static string Of(JsonObject obj) => $"{obj.Kind()} {obj.Namespace()}/{obj.Name()}";

    private static bool Matches(JsonNode selector, JsonObject labels) =>
        (selector["matchLabels"] as JsonObject ?? []).All(l => labels.Text(l.Key) == l.Value!.ToString())
        && selector["matchExpressions"].Objects().All(e => e.Text("operator") == "Exists" && labels.ContainsKey(e.Text("key")!));

    private static IEnumerable<JsonNode> All(JsonNode? node, string key) => node switch
    {
        JsonObject obj => obj.SelectMany(p => p.Key == key && p.Value is not null ? [p.Value] : All(p.Value, key)),
        JsonArray list => list.SelectMany(i => All(i, key)),
        _ => [],
    };
}
