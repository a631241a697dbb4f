using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>One thing that a function asks of the API server in a namespace of models; <see cref="Namespaced"/> false: in the whole cluster.</summary>
internal sealed record NeededRight(string Group, string Resource, string Verb, string Function, string? Subresource = null, string? Name = null, bool Namespaced = true, string? Namespace = null)
{
    /// <summary>What each function needs, as knative/base/roles.yaml gives it; a test holds the two together.</summary>
    private static readonly (string[] Functions, string Group, string Resource, string? Subresource, string[] Verbs, bool Namespaced)[] s_table =
    [
        ([], "prewarm.dev", "cachedmodels", null, ["list", "watch"], true),
        (Line, "prewarm.dev", "cachedmodels", null, ["get", "patch"], true),
        (Line, "prewarm.dev", "cachedmodels", "status", ["patch"], true),
        (Line, "data.fluid.io", "datasets", null, ["get", "list", "create", "patch", "delete"], true),
        (Line, "data.fluid.io", "jindoruntimes", null, ["get", "list", "create", "patch", "delete"], true),
        (Line, "data.fluid.io", "dataloads", null, ["get", "list", "create", "patch", "delete"], true),
        (Line, "serving.kserve.io", "inferenceservices", null, ["get", "list", "create", "patch", "delete"], true),
        (Line, "serving.knative.dev", "revisions", null, ["get"], true),
        (Line, "", "pods", null, ["list"], true),
        (Line, "", "events", null, ["get", "create", "patch"], true),
        (Line, "", "nodes", null, ["list"], false),
        (Scale, "autoscaling.internal.knative.dev", "podautoscalers", null, ["list", "watch"], true),
        (Scale, "data.fluid.io", "datasets", null, ["list", "watch"], true),
        (Scale, "data.fluid.io", "jindoruntimes", null, ["list", "watch"], true),
        (Scale, "data.fluid.io", "dataloads", null, ["list", "watch"], true),
        (Scale, "", "nodes", null, ["list", "watch"], false),
        (["ScaleSignalled"], "", "pods", null, ["list", "watch"], true),
        (["ScaleSignalled"], "prewarm.dev", "cachedmodels", null, ["get"], true),
        (["ScaleSignalled"], "prewarm.dev", "cachedmodels", "status", ["patch"], true),
        (["ScaleSignalled"], "data.fluid.io", "datasets", null, ["get"], true),
        (["ScaleSignalled"], "data.fluid.io", "dataloads", null, ["create", "patch"], true),
        (["ScaleSignalled"], "", "events", null, ["create"], true),
        (["ScaleSignalled"], "batch", "jobs", null, ["create", "list"], true),
        (["PrewarmTick"], "prewarm.dev", "cachedmodels", null, ["get", "patch"], true),
        (["PrewarmTick"], "prewarm.dev", "cachedmodels", "status", ["patch"], true),
        (["PrewarmTick"], "serving.knative.dev", "revisions", null, ["get", "list", "patch"], true),
        (["PrewarmTick"], "autoscaling.internal.knative.dev", "podautoscalers", null, ["get", "list", "patch"], true),
        (["PrewarmTick"], "data.fluid.io", "datasets", null, ["get"], true),
        (["PrewarmTick"], "data.fluid.io", "dataloads", null, ["list", "create", "patch"], true),
    ];

    // Whoever follows the models' serving state (Scale/ScaleWatch).
    private static string[] Scale => ["Predict", "PredictV2", "PredictOpenAI", "PredictModel", "ScaleSignalled"];

    private static string[] Line => ["ModelUploaded", "ClusterChanged", "WakeRequested", "Sweep"];

    /// <summary>The rights that the selected functions need.</summary>
    /// <param name="functions">Names; empty: all of them.</param>
    /// <param name="namespaces">Of models; an empty name is the whole cluster.</param>
    /// <param name="models">Their namespaces are asked about, and their credentials Secrets by name.</param>
    public static IEnumerable<NeededRight> Of(IReadOnlyList<string> functions, IReadOnlyList<string> namespaces, IReadOnlyList<CachedModel> models)
    {
        // Two functions of one role may need the same right: it is one.
        var named = new HashSet<(string, string, string?, string)>();
        foreach (var (whose, group, resource, subresource, verbs, namespaced) in s_table)
        {
            if (Selected(functions, whose) is not { } function)
            {
                continue;
            }

            foreach (var verb in verbs.Where(v => named.Add((group, resource, subresource, v))))
            {
                foreach (var ns in namespaced ? namespaces : [""])
                {
                    yield return new(group, resource, verb, function, subresource, null, namespaced, namespaced ? ns : null);
                }
            }
        }

        if (Selected(functions, Line) is { } reader)
        {
            foreach (var (ns, name) in models.Where(m => m.Spec?.Source.CredentialsSecret is { Length: > 0 }).Select(m => (m.Key().Namespace, m.Spec!.Source.CredentialsSecret!)).Distinct())
            {
                yield return new("", "secrets", "get", reader, Name: name, Namespace: ns);
            }
        }
    }

    public override string ToString() =>
        $"{Verb} {Resource}{(Subresource is null ? "" : "/" + Subresource)}{(Group.Length == 0 ? "" : "." + Group)}{(Name is null ? "" : $" {Name}")}{(Namespaced && Namespace is { Length: > 0 } ? $" in {Namespace}" : " in the cluster")}";

    /// <summary>The first selected function of those; <c>every function</c> for a right that all need.</summary>
    private static string? Selected(IReadOnlyList<string> functions, string[] whose) =>
        whose.Length == 0 ? "every function"
        : functions.Count == 0 ? whose[0]
        : Array.Find(whose, f => functions.Contains(f, StringComparer.OrdinalIgnoreCase));
}
