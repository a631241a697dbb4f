using System.Text.Json.Nodes;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Which systems are installed, in which version, and which must not be there together.</summary>
internal static class RequiredParts
{
    private static readonly (string GroupVersion, string[] Kinds, string Part, bool Needed, string Fix)[] s_parts =
    [
        ("prewarm.dev/v1alpha1", ["cachedmodels"], "prewarm", true, "kubectl apply --server-side -k knative"),
        ("data.fluid.io/v1alpha1", ["datasets", "jindoruntimes", "dataloads"], "fluid", true, "install ack-fluid 0.9.10 or newer (ACK), or Fluid"),
        ("serving.kserve.io/v1beta1", ["inferenceservices"], "kserve", true, "in ASM switch on Ecosystem → KServe on ASM, or install KServe in serverless mode"),
        ("serving.knative.dev/v1", ["services", "revisions"], "knative-serving", true, "install Knative Serving"),
        ("autoscaling.internal.knative.dev/v1alpha1", ["podautoscalers"], "knative-scale-signals", true, "install Knative Serving; without PodAutoscalers a wake from zero cannot be seen"),
        ("eventing.knative.dev/v1", ["brokers", "triggers"], "knative-eventing", true, "install Knative Eventing with its default broker"),
        ("sources.knative.dev/v1", ["apiserversources", "pingsources"], "knative-sources", true, "install Knative Eventing"),
        ("networking.istio.io/v1beta1", ["virtualservices"], "mesh", false, "allow data-plane KubeAPI access to Istio resources in ASM; without it mesh settings cannot be checked"),
        ("cert-manager.io/v1", ["certificates"], "cert-manager", false, "KServe's webhooks need it: install cert-manager, or let the component bring it"),
    ];

    /// <summary>Upstream's first release with Revision min-scale that takes effect (facts in docs/operations.md).</summary>
    private static readonly Version s_minScale = new(1, 21);
    private static readonly Version s_ackFluid = new(0, 9, 10);

    public static IEnumerable<string> GroupVersions => s_parts.Select(p => p.GroupVersion);

    public static IEnumerable<Finding> Check(ClusterFacts facts)
    {
        foreach (var (group, kinds, part, needed, fix) in s_parts)
        {
            var seen = facts.Kinds.GetValueOrDefault(group) ?? Seen<IReadOnlyList<string>>.Not("not asked");
            string[] missing = [.. kinds.Where(k => seen.Value?.Contains(k) != true)];
            yield return seen switch
            {
                { Unseen: { } why } => Finding.Unknown($"parts/{part}", $"{group}: {why}"),
                _ when missing.Length == 0 => Finding.Ok($"parts/{part}", $"{group} has {string.Join(", ", kinds)}"),
                _ when needed => Finding.Error($"parts/{part}", $"the API server lacks {string.Join(", ", missing)} of {group}", fix),
                _ => Finding.Warning($"parts/{part}", $"the API server lacks {string.Join(", ", missing)} of {group}", fix),
            };
        }

        yield return Fluid(facts);
        yield return Knative(facts);
        yield return KServe(facts);
        yield return Kourier(facts);
    }

    private static Finding Fluid(ClusterFacts facts)
    {
        const string check = "versions/fluid";
        if (facts.Deployments.GetValueOrDefault("fluid-system") is not { Unseen: null, Value: { } deployments })
        {
            return Finding.Unknown(check, $"Deployments of fluid-system: {facts.Deployments.GetValueOrDefault("fluid-system")?.Unseen ?? "not asked"}");
        }

        // Helm writes the release into every object (helm.sh/docs: Labels and Annotations).
        string[] releases = [.. deployments.Select(d => d.Text("metadata", "annotations", "meta.helm.sh/release-name")).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        if (releases.Contains("ack-fluid") && releases.Contains("fluid"))
        {
            return Finding.Error(check, "ack-fluid and open-source Fluid are both installed; the two cannot be together", "helm uninstall fluid -n fluid-system");
        }

        var controller = deployments.FirstOrDefault(d => d.Name() == "dataset-controller");
        if (controller is null)
        {
            return Finding.Error(check, "fluid-system has no Deployment dataset-controller", "install ack-fluid or Fluid, or look why its controller is gone");
        }

        var tag = Reading.ImageTag(controller);
        if (deployments.FirstOrDefault(d => d.Name() == "jindoruntime-controller") is null)
        {
            return Finding.Error(check, "fluid-system has no Deployment jindoruntime-controller", "switch the Jindo runtime on in Fluid's chart (runtime.jindo.enabled)");
        }

        return releases.Contains("ack-fluid") && Reading.Version(tag) is { } version && version < s_ackFluid
            ? Finding.Error(check, $"ack-fluid is {tag}", "upgrade ack-fluid to 0.9.10 or newer")
            : Finding.Ok(check, $"{(releases.Length == 0 ? "Fluid" : string.Join(" and ", releases))} {tag ?? "of an unknown version"}");
    }

    private static Finding Knative(ClusterFacts facts)
    {
        const string check = "versions/knative";
        var ns = facts.Namespaces.GetValueOrDefault("knative-serving");
        if (ns is not { Unseen: null })
        {
            return Finding.Unknown(check, $"namespace knative-serving: {ns?.Unseen ?? "not asked"}");
        }

        if (ns.Value is null)
        {
            return Finding.Error(check, "there is no namespace knative-serving", "install Knative Serving; one in another namespace is not supported");
        }

        var text = ns.Value.Label("app.kubernetes.io/version") ?? ns.Value.Label("serving.knative.dev/release");
        return Reading.Version(text) switch
        {
            null => Finding.Unknown(check, "namespace knative-serving carries no app.kubernetes.io/version"),
            var version when version < s_minScale => Finding.Ok(check, $"Knative Serving {text}: pods are held by the PodAutoscaler's min-scale, because a Revision's takes effect from 1.21 on"),
            _ => Finding.Ok(check, $"Knative Serving {text}"),
        };
    }

    private static Finding KServe(ClusterFacts facts)
    {
        const string check = "versions/kserve";
        var seen = facts.Deployments.GetValueOrDefault("kserve");
        if (seen is not { Unseen: null, Value: { } deployments })
        {
            return Finding.Unknown(check, $"Deployments of kserve: {seen?.Unseen ?? "not asked"}");
        }

        // On ASM the controller may run in Alibaba's managed plane: no Deployment is no error while the API is there.
        return deployments.FirstOrDefault(d => d.Name() == "kserve-controller-manager") is { } controller
            ? Finding.Ok(check, $"KServe {Reading.ImageTag(controller) ?? "of an unknown version"}")
            : Finding.Unknown(check, "namespace kserve has no Deployment kserve-controller-manager; a managed KServe has none");
    }

    private static Finding Kourier(ClusterFacts facts)
    {
        const string check = "parts/kourier";
        var deployments = facts.Deployments.GetValueOrDefault("kourier-system");
        if (deployments is { Value.Count: > 0 })
        {
            return Finding.Error(check, "Kourier is installed; beside it the mesh does not get Knative's routes", "uninstall Kourier in the Knative component's settings (kubectl delete namespace kourier-system)");
        }

        var network = facts.KnativeSettings.GetValueOrDefault("config-network")?.Value;
        var ingress = network.Text("data", "ingress-class") ?? network.Text("data", "ingress.class");
        return ingress?.Contains("kourier", StringComparison.OrdinalIgnoreCase) == true
            ? Finding.Error(check, $"config-network of knative-serving has ingress-class {ingress}", "set ingress-class to istio.ingress.networking.knative.dev")
            : deployments is { Unseen: null } ? Finding.Ok(check, "Kourier is not in the way")
            : Finding.Unknown(check, $"Deployments of kourier-system: {deployments?.Unseen ?? "not asked"}");
    }
}
