using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;

namespace Prewarm.Sandbox.KServe;

/// <summary>The Knative Service of an InferenceService's predictor (kserve reconcilers/knative/ksvc_reconciler.go).</summary>
internal static class PredictorTemplate
{
    /// <summary>Annotation with the hash of what was written last: what others add is not undone.</summary>
    public const string Hash = "sandbox.prewarm.dev/applied";

    /// <summary>Where a <c>STORAGE_URI</c> moves to, as the pod webhook of KServe reads it.</summary>
    public const string StorageUri = "internal.serving.kserve.io/storage-initializer-sourceuri";

    private const string TagRouting = "serving.kserve.io/enable-tag-routing";

    // facts/kserve.md §3: everything else is copied to the template.
    private static readonly HashSet<string> s_kept = new(StringComparer.Ordinal)
    {
        "autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/max-scale", "autoscaling.knative.dev/minScale", "autoscaling.knative.dev/maxScale",
        "kubectl.kubernetes.io/last-applied-configuration", StorageUri, "serving.knative.dev/rollout-duration",
    };

    public static JsonObject Service(JsonObject service, string? rolledout)
    {
        var predictor = service.At("spec", "predictor") as JsonObject ?? [];
        var annotations = Copy(service.At("metadata", "annotations"), s_kept);
        var labels = Copy(service.At("metadata", "labels"), []);
        labels["serving.kserve.io/inferenceservice"] = service.Name();
        labels["component"] = "predictor";
        var template = (JsonObject)annotations.DeepClone();
        template["autoscaling.knative.dev/class"] = "kpa.autoscaling.knative.dev";
        template["autoscaling.knative.dev/min-scale"] = (predictor.Number("minReplicas") ?? 1).ToString(CultureInfo.InvariantCulture);
        Add(template, "autoscaling.knative.dev/max-scale", predictor.Number("maxReplicas") is > 0 and var max ? max : null);
        Add(template, "autoscaling.knative.dev/target", predictor.Number("scaleTarget"));
        var containers = predictor["containers"]?.DeepClone() as JsonArray ?? [];
        if (containers.Objects().SelectMany(c => c["env"].Objects()).FirstOrDefault(e => e.Text("name") == "STORAGE_URI").Text("value") is { } uri)
        {
            template[StorageUri] = uri;
        }

        var spec = new JsonObject
        {
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["annotations"] = template, ["labels"] = labels.DeepClone() },
                ["spec"] = Spec(predictor, containers),
            },
            ["traffic"] = Traffic(predictor, annotations.Text(TagRouting) == "true", rolledout),
        };
        annotations[Hash] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(spec.ToJsonString())))[..16];
        return new()
        {
            ["metadata"] = new JsonObject { ["name"] = service.Name() + "-predictor", ["namespace"] = service.Namespace(), ["labels"] = labels, ["annotations"] = annotations },
            ["spec"] = spec,
        };
    }

    private static JsonObject Spec(JsonObject predictor, JsonArray containers)
    {
        var spec = new JsonObject { ["containers"] = containers };
        if (predictor.Number("timeout") is { } timeout)
        {
            spec["timeoutSeconds"] = timeout;
            spec["responseStartTimeoutSeconds"] = timeout;
        }

        foreach (var name in (string[])["containerConcurrency", "serviceAccountName", "nodeSelector", "tolerations", "affinity", "volumes"])
        {
            if (predictor[name] is { } value)
            {
                spec[name] = value.DeepClone();
            }
        }

        return spec;
    }

    private static JsonArray Traffic(JsonObject predictor, bool tags, string? rolledout)
    {
        var canary = predictor.Number("canaryTrafficPercent");
        var split = canary is not null && !string.IsNullOrEmpty(rolledout);
        var latest = new JsonObject { ["latestRevision"] = true, ["percent"] = split ? canary : 100 };
        if (tags)
        {
            latest["tag"] = "latest";
        }

        return split && canary < 100
            ? Json.Array([latest, new JsonObject { ["revisionName"] = rolledout, ["latestRevision"] = false, ["percent"] = 100 - canary, ["tag"] = "prev" }])
            : Json.Array([latest]);
    }

    private static JsonObject Copy(JsonNode? map, HashSet<string> without) =>
        new((map as JsonObject ?? []).Where(m => !without.Contains(m.Key)).Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone())));

    private static void Add(JsonObject map, string name, int? value)
    {
        if (value is { } number)
        {
            map[name] = number.ToString(CultureInfo.InvariantCulture);
        }
    }
}
