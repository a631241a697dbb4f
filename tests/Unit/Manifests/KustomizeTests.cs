using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Xunit;

namespace Prewarm.Tests.Unit.Manifests;

/// <summary>Every kustomization builds with stock kubectl, and what comes out is safe to run.</summary>
public sealed class KustomizeTests
{
    public static TheoryData<string> Folders => [.. ManifestFolder.Kustomizations];

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task Kustomize_Builds(string folder)
    {
        var objects = await Kubectl.BuildAsync(folder);
        Assert.NotEmpty(objects);
        Assert.Equal(objects.Count, objects.Select(o => $"{o.Text("apiVersion")} {o.Kind()} {o.Namespace()}/{o.Name()}").Distinct(StringComparer.Ordinal).Count());
    }

    [Theory]
    [InlineData("knative")]
    [InlineData("knative/overlays/ack")]
    [InlineData("knative/overlays/ack-serverless")]
    public async Task Services_All_RunWithoutPrivilegesAndBehindTheMesh(string folder)
    {
        var services = (await Kubectl.BuildAsync(folder)).Where(o => o.IsKnativeService()).ToList();
        Assert.Equal(["prewarm-cluster", "prewarm-operate", "prewarm-prewarmer", "prewarm-relay", "prewarm-uploads"], services.Select(s => s.Name()).Order(StringComparer.Ordinal));
        foreach (var service in services)
        {
            var template = service.At("spec", "template");
            var container = template.At("spec", "containers").Objects().Single();
            var security = container.At("securityContext");
            Assert.Equal(("true", "true", "false", "RuntimeDefault", """["ALL"]"""), (security.Text("runAsNonRoot"), security.Text("readOnlyRootFilesystem"),
                security.Text("allowPrivilegeEscalation"), security.Text("seccompProfile", "type"), security.At("capabilities", "drop")!.ToJsonString()));
            Assert.Equal("true", template.Text("metadata", "annotations", "sidecar.istio.io/inject"));
            Assert.Equal("true", template.Text("metadata", "annotations", "sidecar.istio.io/rewriteAppHTTPProbers"));
            Assert.NotNull(container.At("resources", "requests", "cpu"));
            Assert.NotNull(container.At("resources", "limits", "memory"));
            Assert.Equal(("/readyz", "/healthz"), (container.Text("readinessProbe", "httpGet", "path"), container.Text("livenessProbe", "httpGet", "path")));
            Assert.Equal("prewarm-events", Env(container, "Events__Token").Text("valueFrom", "secretKeyRef", "name"));
            Assert.Equal(service.Name() == "prewarm-relay" ? null : "cluster-local", service.Text("metadata", "labels", "networking.knative.dev/visibility"));
            Assert.InRange(template.Number("spec", "timeoutSeconds") ?? 0, 1, 600);
        }
    }

    [Theory]
    [InlineData("knative", "prewarm/functions:latest")]
    [InlineData("knative/overlays/ack", "registry-vpc.cn-hangzhou.aliyuncs.com/YOUR-NAMESPACE/prewarm-functions:latest")]
    public async Task Image_OneOfAll_IsSetByKustomize(string folder, string image) => Assert.Equal([image],
        (await Kubectl.BuildAsync(folder)).Where(o => o.IsKnativeService()).Select(s => s.At("spec", "template", "spec", "containers").Objects().Single().Text("image")).Distinct());

    private static JsonObject? Env(JsonObject container, string name) => container.At("env").Objects().FirstOrDefault(e => e.Text("name") == name);
}
