using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.ApiServer;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.Running;
using Xunit;

namespace Prewarm.Tests.Scenarios;

/// <summary>
/// Every kustomization by server-side dry-run on a real kube-apiserver with the real CRDs of Fluid, KServe and Knative. Kinds whose CRDs are not at hand
/// have slim ones of our own. Explicit: needs a server, whose kubeconfig PREWARM_TEST_KUBECONFIG names, and kubectl.
/// </summary>
public sealed class ManifestsOnRealApiServerTests
{
    public static TheoryData<string> Folders =>
    [
        "knative", "knative/overlays/ack", "knative/overlays/ack-serverless", "knative/overlays/oidc", "knative/monitoring", "knative/optional/doctor", "knative/optional/external-upload-events",
        "knative/optional/functions-host", "knative/optional/models-only-through-relay", "knative/examples/bloom", "knative/examples/bloom-serverless",
        "eventing", "eventing/overlays/cesql", "eventing/overlays/kafka", "eventing/overlays/oidc",
    ];

    [Theory(Explicit = true)]
    [MemberData(nameof(Folders))]
    public async Task Apply_DryRunOnTheServer_IsAccepted(string folder)
    {
        var kubeconfig = Environment.GetEnvironmentVariable("PREWARM_TEST_KUBECONFIG");
        Assert.SkipWhen(kubeconfig is null, "PREWARM_TEST_KUBECONFIG is not set: give the kubeconfig of a test API server");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60), TimeProvider.System);
        using var api = new KubeApi(KubeApiFactory.CreateHttpClient(kubeconfig));
        await OwnCrd.EnsureAsync(api, limit.Token);
        await OwnCrd.EnsureAllAsync(api, "Neighbours/neighbour-crds.yaml", o => o.Text("spec", "group")!.Contains('.', StringComparison.Ordinal), limit.Token);
        var kubectl = new KubectlProgram(kubeconfig!);
        // That server is older than rules in CEL, which only a Create ignores, and than policy/v1.
        var objects = Yaml.Documents(await kubectl.RunAsync(null, limit.Token, "kustomize", Path.Combine(Checkout.Root, folder)))
            .Where(o => o.Text("kind") is not ("CustomResourceDefinition" or "PodDisruptionBudget")).ToList();
        Assert.NotEmpty(objects);
        foreach (var ns in objects.Select(o => o.Namespace()).Where(n => n.Length > 0).Distinct())
        {
            await api.EnsureAsync(Kinds.Namespaces, new() { ["metadata"] = new JsonObject { ["name"] = ns } }, limit.Token);
        }

        var output = await kubectl.RunAsync(string.Join('\n', objects.Select(o => o.ToJsonString())), limit.Token, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-");
        Assert.Equal(objects.Count, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(l => l.Contains("(server dry run)", StringComparison.Ordinal)));
    }
}
