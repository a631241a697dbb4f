using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Kubernetes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.Knative;

/// <summary>
/// Knative's Service, Configuration and Route in one: each change of the template makes a Revision, and the traffic block is resolved
/// against the latest ready one (knative/serving pkg/reconciler/{service,configuration,route}; facts/knative.md §1).
/// </summary>
internal sealed class ServiceController(IKubeApi api, string domain, TimeProvider time)
{
    private const string Template = "sandbox.prewarm.dev/template";

    public async Task ReconcileAsync(JsonObject service, CancellationToken cancellationToken)
    {
        if (service.Deleting())
        {
            return;
        }

        var (ns, name) = (service.Namespace(), service.Name());
        var mine = (await api.ListAsync(Kinds.Revisions, ns, $"serving.knative.dev/service={name}", cancellationToken)).Items
            .OrderBy(r => Number(r.Name())).ToList();
        var template = service.At("spec", "template") as JsonObject ?? [];
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(template.ToJsonString())))[..16];
        if (mine.LastOrDefault().Text("metadata", "annotations", Template) != hash)
        {
            var next = Math.Max(mine.Count == 0 ? 0 : Number(mine[^1].Name()), Number(service.Text("status", "latestCreatedRevisionName"))) + 1;
            if (await api.EnsureAsync(Kinds.Revisions, Revision(service, template, hash, next), cancellationToken) is { } created)
            {
                mine.Add(created);
            }
        }

        await StatusAsync(service, mine, cancellationToken);
    }

    private static JsonObject Revision(JsonObject service, JsonObject template, string hash, int number)
    {
        var labels = template.At("metadata", "labels")?.DeepClone() as JsonObject ?? [];
        labels["serving.knative.dev/service"] = service.Name();
        labels["serving.knative.dev/configuration"] = service.Name();
        labels["serving.knative.dev/configurationGeneration"] = number.ToString(CultureInfo.InvariantCulture);
        labels["serving.knative.dev/routingState"] = "active";
        var annotations = template.At("metadata", "annotations")?.DeepClone() as JsonObject ?? [];
        annotations[Template] = hash;
        return new()
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = string.Create(CultureInfo.InvariantCulture, $"{service.Name()}-{number:00000}"),
                ["namespace"] = service.Namespace(),
                ["labels"] = labels,
                ["annotations"] = annotations,
                ["ownerReferences"] = Json.Owner(service),
            },
            ["spec"] = template["spec"]?.DeepClone() ?? new JsonObject(),
        };
    }

    private Task StatusAsync(JsonObject service, List<JsonObject> revisions, CancellationToken cancellationToken)
    {
        var before = service.At("status", "conditions");
        var created = revisions.LastOrDefault();
        var readiness = Condition(created);
        // Monotonic: a newer revision takes over once it is ready, an older one never again.
        var ready = revisions.LastOrDefault(r => Condition(r).Text("status") == "True")?.Name();
        if (Number(service.Text("status", "latestReadyRevisionName")) > Number(ready))
        {
            ready = service.Text("status", "latestReadyRevisionName");
        }

        var traffic = Traffic(service, ready);
        var configured = readiness.Text("status") switch
        {
            "True" => Json.Condition(before, time, "ConfigurationsReady", "True"),
            "False" => Json.Condition(before, time, "ConfigurationsReady", "False", "RevisionFailed",
                $"Revision \"{created!.Name()}\" failed with message: {readiness.Text("message")}."),
            _ => Json.Condition(before, time, "ConfigurationsReady", "Unknown"),
        };
        var routed = traffic is null
            ? Json.Condition(before, time, "RoutesReady", "Unknown", "RevisionMissing", $"Configuration \"{service.Name()}\" is waiting for a Revision to become ready.")
            : Json.Condition(before, time, "RoutesReady", "True");
        var worst = configured.Text("status") != "True" ? configured : routed;
        var inside = $"http://{service.Name()}.{service.Namespace()}.svc.cluster.local";
        var local = service.Text("metadata", "labels", "networking.knative.dev/visibility") == "cluster-local";
        return api.SetStatusAsync(Kinds.Services, service, new()
        {
            ["observedGeneration"] = service.At("metadata", "generation")?.DeepClone(),
            ["url"] = local ? inside : $"http://{service.Name()}.{service.Namespace()}.{domain}",
            ["address"] = new JsonObject { ["url"] = inside },
            ["latestCreatedRevisionName"] = created?.Name(),
            ["latestReadyRevisionName"] = ready,
            ["traffic"] = traffic ?? [],
            ["conditions"] = Json.Array([
                configured,
                Json.Condition(before, time, "Ready", worst.Text("status")!, worst.Text("reason"), worst.Text("message")),
                routed]),
        }, cancellationToken);
    }

    /// <summary>The resolved traffic block; null as long as a target has no ready revision.</summary>
    private JsonArray? Traffic(JsonObject service, string? ready)
    {
        var resolved = new JsonArray();
        var wanted = service.At("spec", "traffic").Objects().ToArray();
        if (wanted.Length == 0)
        {
            // knative/serving pkg/apis/serving/v1/service_defaults.go: everything to the latest ready revision.
            wanted = [new JsonObject { ["percent"] = 100 }];
        }

        foreach (var target in wanted)
        {
            var latest = target.Text("revisionName") is null;
            if ((latest ? ready : target.Text("revisionName")) is not { } revision)
            {
                return null;
            }

            var entry = new JsonObject { ["revisionName"] = revision, ["latestRevision"] = latest, ["percent"] = target.Number("percent") ?? 0 };
            if (target.Text("tag") is { } tag)
            {
                entry["tag"] = tag;
                entry["url"] = $"http://{tag}-{service.Name()}.{service.Namespace()}.{domain}";
            }

            resolved.Add((JsonNode)entry);
        }

        return resolved;
    }

    private static JsonObject? Condition(JsonObject? revision) => revision.At("status", "conditions").Objects().FirstOrDefault(c => c.Text("type") == "Ready");

    private static int Number(string? revision) =>
        revision is not null && int.TryParse(revision.AsSpan(revision.LastIndexOf('-') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
