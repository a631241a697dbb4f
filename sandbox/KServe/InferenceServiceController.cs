using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.KServe;

/// <summary>
/// KServe in serverless mode: an InferenceService becomes the Knative Service <c>NAME-predictor</c>, whose status becomes the InferenceService's
/// (kserve pkg/controller/v1beta1/inferenceservice/controller.go; facts/kserve.md §1–3).
/// </summary>
/// <param name="domain">The ingress domain of the hosts.</param>
internal sealed class InferenceServiceController(IKubeApi api, string domain, TimeProvider time)
{
    private const string Finalizer = "inferenceservice.finalizers";
    private const string Stop = "serving.kserve.io/stop";

    public static string KnativeName(JsonObject service) => service.Name() + "-predictor";

    public async Task ReconcileAsync(JsonObject service, CancellationToken cancellationToken)
    {
        var (ns, name) = (service.Namespace(), KnativeName(service));
        if (service.Deleting())
        {
            await api.DeleteAsync(Kinds.Services, ns, name, null, false, cancellationToken);
            await api.FinalizersAsync(Kinds.InferenceServices, service, Finalizer, false, cancellationToken);
            return;
        }

        await api.FinalizersAsync(Kinds.InferenceServices, service, Finalizer, true, cancellationToken);
        var knative = await api.GetAsync(Kinds.Services, ns, name, cancellationToken);
        if (service.Text("metadata", "annotations", Stop) == "true")
        {
            await api.DeleteAsync(Kinds.Services, ns, name, null, false, cancellationToken);
            await StatusAsync(service, null, true, cancellationToken);
            return;
        }

        if (knative is null)
        {
            var created = PredictorTemplate.Service(service, Rolledout(service));
            created["metadata"]!["ownerReferences"] = Json.Owner(service);
            knative = await api.EnsureAsync(Kinds.Services, created, cancellationToken);
        }
        else if (!knative.Deleting())
        {
            var desired = PredictorTemplate.Service(service, Rolledout(service));
            if (knative.Text("metadata", "annotations", PredictorTemplate.Hash) != desired.Text("metadata", "annotations", PredictorTemplate.Hash))
            {
                var changed = (JsonObject)knative.DeepClone();
                foreach (var member in (string[])["labels", "annotations"])
                {
                    changed["metadata"]![member] = desired.At("metadata", member)!.DeepClone();
                }

                changed["spec"] = desired["spec"]!.DeepClone();
                knative = await api.ReplaceAsync(Kinds.Services, ns, name, changed, null, cancellationToken);
            }
        }

        await StatusAsync(service, knative, false, cancellationToken);
    }

    private static string? Rolledout(JsonObject service) => service.Text("status", "components", "predictor", "latestRolledoutRevision");

    private Task StatusAsync(JsonObject service, JsonObject? knative, bool stopped, CancellationToken cancellationToken)
    {
        var before = service.At("status", "conditions");
        var component = (service.At("status", "components", "predictor")?.DeepClone() as JsonObject) ?? [];
        var url = $"http://{service.Name()}.{service.Namespace()}.{domain}";
        var (configured, routed, ready) = (Of(knative, "ConfigurationsReady"), Of(knative, "RoutesReady"), Of(knative, "Ready"));
        if (knative is not null)
        {
            Propagate(component, knative);
        }
        else
        {
            component = [];
        }

        JsonObject Condition(string type, (string Status, string? Reason, string? Message) c) => Json.Condition(before, time, type, c.Status, c.Reason, c.Message);
        var summary = stopped ? ("False", "Stopped", null) : ready.Status == "True" ? routed : ready;
        var conditions = Json.Array([
            Condition("IngressReady", stopped ? summary : routed),
            Condition("LatestDeploymentReady", stopped ? summary : configured),
            Condition("PredictorConfigurationReady", stopped ? summary : configured),
            Condition("PredictorReady", summary),
            Condition("PredictorRouteReady", stopped ? summary : routed),
            Condition("Ready", summary),
            Condition("RoutesReady", stopped ? summary : routed),
            Condition("Stopped", (stopped ? "True" : "False", null, null))]);
        var failed = configured.Status == "False";
        return api.SetStatusAsync(Kinds.InferenceServices, service, new()
        {
            ["url"] = knative.Text("status", "url") is null ? null : url,
            ["address"] = knative is null ? null : new JsonObject { ["url"] = $"http://{knative.Name()}.{service.Namespace()}.svc.cluster.local" },
            ["components"] = new JsonObject { ["predictor"] = component },
            ["conditions"] = conditions,
            ["deploymentMode"] = "Serverless",
            ["modelStatus"] = new JsonObject
            {
                ["transitionStatus"] = failed ? "BlockedByFailedLoad" : ready.Status == "True" ? "UpToDate" : "InProgress",
                ["states"] = new JsonObject { ["targetModelState"] = failed ? "FailedToLoad" : "Pending" },
            },
            ["observedGeneration"] = knative?.At("status", "observedGeneration")?.DeepClone(),
        }, cancellationToken);
    }

    /// <summary>latestRolledoutRevision moves only when the latest ready revision has all traffic (kserve inference_service_status.go, PropagateStatus).</summary>
    private static void Propagate(JsonObject component, JsonObject knative)
    {
        var status = knative["status"] as JsonObject ?? [];
        var (latest, created) = (status.Text("latestReadyRevisionName"), status.Text("latestCreatedRevisionName"));
        Set(component, "latestCreatedRevision", created);
        Set(component, "latestReadyRevision", latest);
        Set(component, "url", status.Text("url"));
        component["address"] = new JsonObject { ["url"] = $"http://{knative.Name()}.{knative.Namespace()}.svc.cluster.local" };
        var traffic = status["traffic"].Objects().ToArray();
        component["traffic"] = Json.Array(traffic.Select(t => t.DeepClone()));
        if (latest is not null && traffic.Any(t => t.Text("revisionName") == latest && t.Text("latestRevision") == "true" && t.Number("percent") == 100)
            && component.Text("latestRolledoutRevision") is var rolledout && rolledout != latest)
        {
            Set(component, "previousRolledoutRevision", rolledout);
            component["latestRolledoutRevision"] = latest;
        }
    }

    private static void Set(JsonObject target, string name, string? value)
    {
        if (value is not null)
        {
            target[name] = value;
        }
    }

    private static (string Status, string? Reason, string? Message) Of(JsonObject? knative, string type) =>
        knative.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == type) is { } c
            ? (c.Text("status") ?? "Unknown", c.Text("reason"), c.Text("message"))
            : ("Unknown", null, null);
}
