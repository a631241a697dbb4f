using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>
/// What predictors ask of their pods that Knative refuses unless a flag of <c>config-features</c> allows it, such as tolerations for nodes with GPUs
/// (knative/serving config/core/configmaps/features.yaml, pkg/apis/serving/fieldmask.go).
/// </summary>
internal static class PodSpecFlags
{
    // All of these are disabled by default.
    private static readonly (string Field, string Flag)[] s_flags =
    [
        ("affinity", "affinity"),
        ("dnsConfig", "dnsconfig"),
        ("dnsPolicy", "dnspolicy"),
        ("hostAliases", "hostaliases"),
        ("hostIPC", "hostipc"),
        ("hostNetwork", "hostnetwork"),
        ("hostPID", "hostpid"),
        ("initContainers", "init-containers"),
        ("nodeSelector", "nodeselector"),
        ("priorityClassName", "priorityclassname"),
        ("runtimeClassName", "runtimeclassname"),
        ("schedulerName", "schedulername"),
        ("securityContext", "securitycontext"),
        ("shareProcessNamespace", "shareprocessnamespace"),
        ("tolerations", "tolerations"),
        ("topologySpreadConstraints", "topologyspreadconstraints"),
    ];

    public static IEnumerable<Finding> Check(ClusterFacts facts)
    {
        const string check = "knative/podspec";
        var features = facts.KnativeSettings.GetValueOrDefault("config-features");
        if (facts.Models.Value is not { } models || features is not { Unseen: null })
        {
            yield return Finding.Unknown(check, $"ConfigMap config-features: {features?.Unseen ?? "read"}; CachedModels: {facts.Models.Unseen ?? "read"}");
            yield break;
        }

        var refused = false;
        foreach (var (field, flag) in s_flags)
        {
            string[] asking = [.. models.Where(m => m.Spec?.Serving.Predictor?[field] is not null).Select(m => m.Key().ToString()).Order(StringComparer.Ordinal)];
            var (key, value) = ($"kubernetes.podspec-{flag}", features.Value.Text("data", $"kubernetes.podspec-{flag}"));
            if (asking.Length > 0 && !Passes(value))
            {
                refused = true;
                yield return Finding.Error(check, $"{key} is {value ?? "not set (disabled)"}: Knative refuses spec.serving.predictor.{field} of {asking[0]}{(asking.Length > 1 ? $" and {asking.Length - 1} more" : "")}",
                    $"kubectl patch configmap config-features -n knative-serving --type merge -p '{{\"data\":{{\"{key}\":\"enabled\"}}}}'");
            }
        }

        if (!refused)
        {
            yield return Finding.Ok(check, $"Knative takes what the predictors of {models.Count} models ask of their pods");
        }
    }

    private static bool Passes(string? value) => value is not null && (value.Equals("enabled", StringComparison.OrdinalIgnoreCase) || value.Equals("allowed", StringComparison.OrdinalIgnoreCase));
}
