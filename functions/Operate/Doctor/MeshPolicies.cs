using System.Text.Json.Nodes;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>What in the mesh would cut the activator off or repeat a prediction.</summary>
internal static class MeshPolicies
{
    public static IEnumerable<Finding> Check(ClusterFacts facts)
    {
        yield return Sidecars(facts);
        yield return Activator(facts);
        yield return Retries(facts);
    }

    /// <summary>Behind STRICT mTLS the activator and the autoscaler need sidecars, or no model wakes (Knative: "Enabling requests to Knative services when additional authorization policies are enabled").</summary>
    private static Finding Sidecars(ClusterFacts facts)
    {
        const string check = "mesh/activator-sidecar";
        if (facts.PeerAuthentications is not { Unseen: null, Value: { } peers })
        {
            return Finding.Unknown(check, $"PeerAuthentications: {facts.PeerAuthentications.Unseen}");
        }

        string[] strict = [.. peers.Where(p => p.Namespace() != "knative-serving" && p.Text("spec", "mtls", "mode") == "STRICT").Select(p => p.Namespace()).Distinct(StringComparer.Ordinal)];
        if (strict.Length == 0)
        {
            return Finding.Ok(check, "neither the mesh nor a namespace of models asks for STRICT mTLS");
        }

        var serving = facts.Namespaces.GetValueOrDefault("knative-serving");
        if (serving is not { Unseen: null, Value: { } ns })
        {
            return Finding.Unknown(check, $"mTLS is STRICT in {string.Join(", ", strict)}; namespace knative-serving: {serving?.Unseen ?? "not there"}");
        }

        return ns.Label("istio-injection") == "enabled" || ns.Label("istio.io/rev") is { Length: > 0 }
            ? Finding.Ok(check, $"mTLS is STRICT in {string.Join(", ", strict)}, and knative-serving has sidecars")
            : Finding.Error(check, $"mTLS is STRICT in {string.Join(", ", strict)}, but namespace knative-serving has no sidecars: the activator cannot reach a waking pod",
                "kubectl label namespace knative-serving istio-injection=enabled && kubectl rollout restart deployment -n knative-serving");
    }

    private static Finding Activator(ClusterFacts facts)
    {
        const string check = "mesh/activator-allowed";
        if (facts.AuthorizationPolicies is not { Unseen: null, Value: { } policies })
        {
            return Finding.Unknown(check, $"AuthorizationPolicies: {facts.AuthorizationPolicies.Unseen}");
        }

        // A namespace with an ALLOW policy refuses whatever none of its ALLOW policies lets in (Istio: Authorization Policy, implicit enablement).
        foreach (var group in policies.Where(p => p.Namespace() != "knative-serving" && p.At("spec", "selector") is null).GroupBy(p => p.Namespace(), StringComparer.Ordinal))
        {
            var allow = group.Where(p => p.Text("spec", "action") is null or "ALLOW").ToList();
            if (allow.Count > 0 && !allow.Any(AllowsActivator))
            {
                return Finding.Error(check, $"namespace {group.Key}: {string.Join(", ", allow.Select(p => p.Name()))} lets nobody of knative-serving in, so the activator cannot reach a waking pod",
                    $"add a rule with from: [{{source: {{namespaces: [knative-serving]}}}}] to an ALLOW policy of {group.Key} (knative/mesh/policies.yaml shows it)");
            }

            if (group.FirstOrDefault(p => p.Text("spec", "action") == "DENY" && p.Items("spec", "rules").Any(Everybody)) is { } deny)
            {
                return Finding.Error(check, $"namespace {group.Key}: {deny.Name()} denies everybody", "remove that policy, or name whom it denies");
            }
        }

        return Finding.Ok(check, "the activator may reach the models");
    }

    private static bool AllowsActivator(JsonObject policy)
    {
        return policy.Items("spec", "rules").Any(rule => !rule.Items("from").Any() && !rule.Items("to").Any() && !rule.Items("when").Any()
            || rule.Items("from").Any(from => Texts(from, "source", "namespaces").Any(Matches)
                || Texts(from, "source", "principals").Any(p => p == "*" || p.Contains("/ns/knative-serving/", StringComparison.Ordinal))));

        static bool Matches(string ns) => ns is "*" or "knative-serving" || (ns.EndsWith('*') && "knative-serving".StartsWith(ns[..^1], StringComparison.Ordinal));
    }

    private static bool Everybody(JsonNode? rule) => !rule.Items("from").Any() && !rule.Items("to").Any() && !rule.Items("when").Any();

    private static IEnumerable<string> Texts(JsonNode? node, params ReadOnlySpan<string> path) => node.Items(path).Select(n => n.Text()).OfType<string>();

    /// <summary>
    /// A route without retries of its own gets the mesh's: two more tries, also after a 503 (Istio: meshConfig.defaultHttpRetryPolicy),
    /// and a pod that answers 503 may have begun.
    /// </summary>
    private static Finding Retries(ClusterFacts facts)
    {
        const string check = "mesh/retries";
        if (facts.VirtualServices is not { Unseen: null, Value: { } services })
        {
            return Finding.Unknown(check, $"VirtualServices: {facts.VirtualServices.Unseen}");
        }

        string[] repeating = [.. services.Where(s => s.Items("spec", "http").Any(route => route.Text("retries", "attempts") != "0")).Select(s => $"{s.Namespace()}/{s.Name()}").Order(StringComparer.Ordinal)];
        return repeating.Length == 0
            ? Finding.Ok(check, "no route to the models or to us repeats a prediction")
            : Finding.Warning(check, $"the mesh may send a prediction again, up to twice by default and also after a 503: {Few(repeating)}",
                "set meshConfig.defaultHttpRetryPolicy.attempts to 0; routes that KServe or Knative write cannot be edited for good");
    }

    private static string Few(string[] names) => names.Length <= 5 ? string.Join(", ", names) : $"{string.Join(", ", names[..5])} and {names.Length - 5} more";
}
