using Prewarm.Functions.Catalog;
using Prewarm.Functions.Prewarm;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Operate.Doctor;

/// <summary>Clocks, nodes, rights and who may send events.</summary>
internal static class Surroundings
{
    /// <summary>S3 signatures stand 15 minutes, quiet times and leases are seconds: what is said must be below the smaller.</summary>
    private static readonly TimeSpan MaxSkew = TimeSpan.FromSeconds(5);

    /// <summary>Beyond this a store refuses every signed request (RequestTimeTooSkewed).</summary>
    private static readonly TimeSpan StoreSkew = TimeSpan.FromMinutes(15);

    public static IEnumerable<Finding> Check(ClusterFacts facts)
    {
        yield return ServerClock(facts);
        foreach (var finding in StoreClocks(facts))
        {
            yield return finding;
        }

        yield return Workers(facts);
        yield return Rights(facts);
        foreach (var finding in Senders(facts))
        {
            yield return finding;
        }

        if (facts.Prometheus is { } prometheus)
        {
            yield return Counted(prometheus, facts.Models.Value);
        }

        if (!facts.Settings.Serving)
        {
            yield break;
        }

        yield return facts.Settings.Gateway is { Length: > 0 } gateway
            ? Finding.Ok("settings/gateway", $"predictions and golden questions go to {gateway}")
            : Finding.Error("settings/gateway", "Gateway__Address is not set: predictions are answered with 502", "set it to the URL of the mesh's ingress gateway, such as http://istio-ingressgateway.istio-system");
    }

    /// <summary>How far another clock is from ours, by an answer's Date: it was written between the question and the answer, and has whole seconds.</summary>
    internal static TimeSpan Skew(DateTimeOffset date, DateTimeOffset asked, DateTimeOffset answered) =>
        date > answered ? date - answered
        : date + TimeSpan.FromSeconds(1) < asked ? date + TimeSpan.FromSeconds(1) - asked
        : TimeSpan.Zero;

    private static Finding ServerClock(ClusterFacts facts)
    {
        const string check = "clocks/api-server";
        if (facts.Server.Value is not { Date: { } date } server)
        {
            return Finding.Unknown(check, "the API server's answer has no Date");
        }

        var skew = Skew(date, server.Asked, server.Answered);
        return skew.Duration() <= MaxSkew
            ? Finding.Ok(check, "this clock and the API server's agree")
            : Finding.Warning(check, $"the API server's clock is {Ahead(skew)}", "synchronise the nodes' clocks: quiet times and time-outs are measured across both");
    }

    private static IEnumerable<Finding> StoreClocks(ClusterFacts facts)
    {
        foreach (var (endpoint, seen) in facts.Stores.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            if (seen.Value is { Date: { } date } greeting && Skew(date, greeting.Asked, greeting.Answered) is var skew && skew.Duration() > MaxSkew)
            {
                yield return skew.Duration() >= StoreSkew
                    ? Finding.Error("clocks/store", $"the clock of {endpoint} is {Ahead(skew)}: it refuses every signed request", "synchronise the nodes' clocks")
                    : Finding.Warning("clocks/store", $"the clock of {endpoint} is {Ahead(skew)}: uploads seem older or newer than they are", "synchronise the nodes' clocks");
            }
        }
    }

    private static string Ahead(TimeSpan skew) => $"{skew.Duration().TotalSeconds:0} s {(skew > TimeSpan.Zero ? "ahead" : "behind")}";

    private static Finding Workers(ClusterFacts facts)
    {
        const string check = "nodes/cache-workers";
        if (facts.Nodes is not { Unseen: null, Value: { } nodes })
        {
            return Finding.Unknown(check, $"Nodes: {facts.Nodes.Unseen}");
        }

        // Fluid marks a node with a worker fluid.io/s-NAMESPACE-NAME (facts/fluid.md, pkg/utils/runtime labels).
        var marked = nodes.Count(n => (n.At("metadata", "labels") as System.Text.Json.Nodes.JsonObject)?.Any(l => l.Key.StartsWith(FluidNames.WorkerPrefix, StringComparison.Ordinal)) == true);
        var warm = facts.Models.Value?.Count(m => m.Status?.Warmth == "Warm" && m.Spec?.Cache.ExistingDataset is null) ?? 0;
        if (warm > 0 && marked == 0)
        {
            return Finding.Warning(check, $"{warm} models are warm, but no node carries a label fluid.io/s-…: locality cannot be told", "see whether Fluid's runtime controller may patch Nodes; with ECI sidecars there are none, and reads are remote");
        }

        var most = facts.Models.Value?.Max(m => m.Spec is { } spec ? Math.Max(spec.Cache.Replicas, spec.Prewarm.MaxCacheWorkers ?? 0) : (int?)null) ?? 0;
        return most > nodes.Count
            ? Finding.Warning(check, $"a model asks for up to {most} cache workers and there are {nodes.Count} nodes: its runtime stays PartialReady", "lower spec.cache.replicas and spec.prewarm.maxCacheWorkers, or add nodes")
            : Finding.Ok(check, $"{marked} of {nodes.Count} nodes have cache workers");
    }

    private static Finding Rights(ClusterFacts facts)
    {
        const string check = "rights";
        string[] refused = [.. facts.Rights.Where(r => r.Allowed == false).Select(r => $"{r.Right} ({r.Right.Function})")];
        if (refused.Length > 0)
        {
            return Finding.Error(check, $"this account may not: {string.Join("; ", refused.Take(10))}{(refused.Length > 10 ? $" and {refused.Length - 10} more" : "")}",
                "apply knative/namespaces/NAME for each namespace of models; or set FUNCTIONS to what this account is for");
        }

        return facts.Rights.Count == 0 || facts.Rights.Any(r => r.Allowed is null) ? Finding.Unknown(check, "the API server did not answer every SelfSubjectAccessReview")
            : Finding.Ok(check, $"this account has all {facts.Rights.Count} rights that its functions need");
    }

    private static Finding Counted(Seen<PrometheusAnswer> seen, IReadOnlyList<CachedModel>? models)
    {
        const string check = "prometheus";
        const string fix = "see Prewarm__Prometheus__Address, its BearerTokenFile, CaFile and Query, and whether this namespace may reach it; without it calls past the relay are not learned from";
        if (seen.Value is not { } answer)
        {
            return Finding.Warning(check, $"it does not answer: {seen.Unseen}", fix);
        }

        if (answer.Result is not (PrometheusResult.Read or PrometheusResult.Partial))
        {
            return Finding.Warning(check, $"{answer.Result}: {answer.Message}", fix);
        }

        var known = new PrometheusModels(new(models ?? []));
        var ours = answer.Series.Count(s => known.Find(s.Labels) is not null);
        return answer.Odd > 0 ? Finding.Warning(check, $"{answer.Odd} of its values are no counts", "the query has to give numbers of requests per minute")
            : answer.Result == PrometheusResult.Partial ? Finding.Warning(check, $"it answers in part: {answer.Message}", "see its own stores")
            : answer.Series.Count > 0 && ours == 0 && models is { Count: > 0 } ? Finding.Warning(check, $"none of the {answer.Series.Count} series of the last hour names a model", $"keep the labels that say namespace and revision (docs/prewarming.md); the first series has {Labels(answer.Series[0])}")
            : Finding.Ok(check, $"it answers; series of models with calls in the last hour: {ours} of {answer.Series.Count}");
    }

    private static string Labels(PrometheusSeries series) => series.Labels.Count == 0 ? "none" : string.Join(", ", series.Labels.Keys.Order(StringComparer.Ordinal).Take(10));

    private static IEnumerable<Finding> Senders(ClusterFacts facts)
    {
        if (facts.Settings.Serving)
        {
            yield return facts.Settings.TokenSet
                ? Finding.Ok("events/token", "event routes ask for Events__Token")
                : Finding.Warning("events/token", "Events__Token is not set: whoever reaches the event routes can make us look", "create the Secret prewarm-events and set Events__Token from it");
        }

        if (facts.VirtualServices is { Unseen: null, Value: { } routes })
        {
            string[] outside = [.. routes.Where(r => r.Namespace() == facts.Settings.OwnNamespace && r.Items("spec", "http").SelectMany(h => h.Items("match"))
                .Any(m => (m.Text("uri", "exact") ?? m.Text("uri", "prefix"))?.StartsWith("/events", StringComparison.Ordinal) == true)).Select(r => r.Name()).Order(StringComparer.Ordinal)];
            yield return outside.Length == 0
                ? Finding.Ok("events/outside", "no route of ours takes events from outside the cluster")
                : Finding.Warning("events/outside", $"events come in from outside the cluster by {string.Join(", ", outside)}; senders' signatures are not verified, so whoever has the token is believed",
                    "take the route away (knative/optional/external-upload-events) unless a bus needs it, and change the token when somebody leaves who knew it");
        }

        if (facts.Triggers is not { Unseen: null, Value: { } triggers })
        {
            yield return Finding.Unknown("events/triggers", $"Triggers of {facts.Settings.OwnNamespace}: {facts.Triggers.Unseen}");
            yield break;
        }

        string[] open = [.. triggers.Where(t => (facts.Settings.TokenSet || !facts.Settings.Serving) && t.Text("spec", "subscriber", "uri")?.Contains("token=", StringComparison.Ordinal) != true
            && t.Text("spec", "subscriber", "ref", "name")?.StartsWith("prewarm-dead", StringComparison.Ordinal) != true).Select(t => t.Name())];
        string[] unready = [.. triggers.Where(t => t.Items("status", "conditions").Any(c => c.Text("type") == "Ready" && c.Text("status") == "False")).Select(t => t.Name())];
        yield return triggers.Count == 0 ? Finding.Error("events/triggers", $"namespace {facts.Settings.OwnNamespace} has no Trigger: nothing tells us of uploads, the sweep neither", "apply eventing/ (docs/operations.md, Install)")
            : unready.Length > 0 ? Finding.Error("events/triggers", $"not Ready: {string.Join(", ", unready)}", "kubectl describe trigger; the broker and the subscriber must be there")
            : open.Length > 0 ? Finding.Error("events/triggers", $"their addresses carry no token, so every event is refused with 401: {string.Join(", ", open)}", "apply eventing/ again with the token put in (docs/operations.md, Install, step 4)")
            : Finding.Ok("events/triggers", $"{triggers.Count} Triggers are there");
    }
}
