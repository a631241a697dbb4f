namespace Prewarm.Tests.Unit.Manifests;

/// <summary>What each ServiceAccount may do, and nothing else: account, where (<c>*</c> is the whole cluster), group/resource, verbs.</summary>
internal static class RightsTable
{
    public const string Models = "kserve-fluid-demo";

    public static readonly string[] Accounts = ["prewarm-line", "prewarm-relay", "prewarm-prewarmer", "prewarm-operate", "prewarm-events"];

    public static readonly string[] Verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

    public static readonly string?[] Places = [Models, "prewarm-system", "default", "kube-system", null];

    /// <summary>What is asked about: all that we touch, and what somebody who has broken in would like.</summary>
    public static readonly string[] Resources =
    [
        "prewarm.dev/cachedmodels", "prewarm.dev/cachedmodels/status", "prewarm.dev/cachedmodels/finalizers",
        "data.fluid.io/datasets", "data.fluid.io/datasets/status", "data.fluid.io/jindoruntimes", "data.fluid.io/dataloads",
        "serving.kserve.io/inferenceservices", "serving.kserve.io/inferenceservices/status",
        "serving.knative.dev/services", "serving.knative.dev/revisions", "autoscaling.internal.knative.dev/podautoscalers",
        "eventing.knative.dev/brokers", "eventing.knative.dev/triggers", "sources.knative.dev/apiserversources",
        "/secrets", "/configmaps", "/pods", "/pods/exec", "/nodes", "/namespaces", "/services", "/serviceaccounts", "/serviceaccounts/token", "/events", "/persistentvolumeclaims",
        "apps/deployments", "batch/jobs", "coordination.k8s.io/leases", "apiextensions.k8s.io/customresourcedefinitions",
        "rbac.authorization.k8s.io/roles", "rbac.authorization.k8s.io/rolebindings", "rbac.authorization.k8s.io/clusterroles", "rbac.authorization.k8s.io/clusterrolebindings",
    ];

    private const string Rights = """
        prewarm-line    kserve-fluid-demo prewarm.dev/cachedmodels            get,list,watch,patch
        prewarm-line    kserve-fluid-demo prewarm.dev/cachedmodels/status     patch
        prewarm-line    kserve-fluid-demo data.fluid.io/datasets              get,list,watch,create,patch,delete
        prewarm-line    kserve-fluid-demo data.fluid.io/jindoruntimes         get,list,watch,create,patch,delete
        prewarm-line    kserve-fluid-demo data.fluid.io/dataloads             get,list,watch,create,patch,delete
        prewarm-line    kserve-fluid-demo serving.kserve.io/inferenceservices get,list,create,patch,delete
        prewarm-line    kserve-fluid-demo serving.knative.dev/revisions       get
        prewarm-line    kserve-fluid-demo /pods                               list,watch
        prewarm-line    kserve-fluid-demo /events                             get,create,patch
        prewarm-line    kserve-fluid-demo batch/jobs                          create,list
        prewarm-line    *                 /nodes                              list,watch
        prewarm-line    kserve-fluid-demo autoscaling.internal.knative.dev/podautoscalers list,watch
        prewarm-relay   kserve-fluid-demo prewarm.dev/cachedmodels            list,watch
        prewarm-relay   kserve-fluid-demo autoscaling.internal.knative.dev/podautoscalers list,watch
        prewarm-relay   kserve-fluid-demo data.fluid.io/datasets              list,watch
        prewarm-relay   kserve-fluid-demo data.fluid.io/jindoruntimes         list,watch
        prewarm-relay   kserve-fluid-demo data.fluid.io/dataloads             list,watch
        prewarm-relay   *                 /nodes                              list,watch
        prewarm-prewarmer kserve-fluid-demo prewarm.dev/cachedmodels          get,list,watch,patch
        prewarm-prewarmer kserve-fluid-demo prewarm.dev/cachedmodels/status   patch
        prewarm-prewarmer kserve-fluid-demo serving.knative.dev/revisions     get,list,patch
        prewarm-prewarmer kserve-fluid-demo autoscaling.internal.knative.dev/podautoscalers get,list,patch
        prewarm-prewarmer kserve-fluid-demo data.fluid.io/datasets            get
        prewarm-prewarmer kserve-fluid-demo data.fluid.io/dataloads           list,create,patch
        prewarm-prewarmer prewarm-system    /configmaps                       get,list,create,update
        prewarm-operate kserve-fluid-demo prewarm.dev/cachedmodels            list,watch
        prewarm-events  kserve-fluid-demo prewarm.dev/cachedmodels            get,list,watch
        prewarm-events  kserve-fluid-demo data.fluid.io/datasets              get,list,watch
        prewarm-events  kserve-fluid-demo data.fluid.io/dataloads             get,list,watch
        prewarm-events  kserve-fluid-demo serving.kserve.io/inferenceservices get,list,watch
        prewarm-events  kserve-fluid-demo serving.knative.dev/revisions       get,list,watch
        prewarm-events  kserve-fluid-demo autoscaling.internal.knative.dev/podautoscalers get,list,watch
        """;

    /// <summary>One line per right, <c>verb resource place</c>, of one account.</summary>
    public static SortedSet<string> Of(string account)
    {
        var rights = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var words in Rights.Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(w => w[0] == account))
        {
            foreach (var verb in words[3].Split(','))
            {
                foreach (var place in words[1] == "*" ? Places : [words[1]])
                {
                    rights.Add($"{verb} {words[2]} {place ?? "*"}");
                }
            }
        }

        return rights;
    }
}
