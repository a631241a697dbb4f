using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Rollout;

/// <summary>Builds the InferenceService that serves one version from its cache, for both of the tutorial's platforms.</summary>
internal static class ServingObjects
{
    public const string TagRouting = "serving.kserve.io/enable-tag-routing";
    public const string StopAnnotation = "serving.kserve.io/stop";
    public const string AttemptAnnotation = "prewarm.dev/attempt";
    private const string Share = "canaryTrafficPercent";
    private const string Gpu = "nvidia.com/gpu";

    /// <param name="canary">Traffic share of the newest revision in percent; null = all (KServe's own reading of an absent field).</param>
    /// <param name="stopped">True takes the whole service away: there is no older version to fall back to.</param>
    public static InferenceService Service(CachedModel model, VersionStatus version, int? canary, bool stopped)
    {
        var serving = model.Spec!.Serving;
        var dataset = version.Dataset!;
        var meta = Ownership.Meta(model, model.ServiceName(), version.Name, version.Digest!);
        meta.Annotations![TagRouting] = "true";
        if (stopped)
        {
            meta.Annotations[StopAnnotation] = "true";
        }

        if (version.Attempt is { } attempt)
        {
            // KServe copies annotations to the revision's template: another number makes another revision of the same version.
            meta.Annotations[AttemptAnnotation] = attempt.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        var serverless = string.Equals(serving.Platform, "ACKServerless", StringComparison.Ordinal);
        if (serverless)
        {
            meta.Labels!["alibabacloud.com/fluid-sidecar-target"] = "eci";
            Set(meta.Annotations, "k8s.aliyun.com/eci-use-specs", serving.EciSpecs);
            Set(meta.Annotations, "knative.aliyun.com/reserve-instance-eci-use-specs", serving.ReserveEciSpecs ?? serving.EciSpecs);
        }
        else if (!string.Equals(serving.Affinity, "off", StringComparison.Ordinal))
        {
            // KServe copies labels to the pods; Fluid's webhook places pods that carry these.
            meta.Labels!["fuse.serverful.fluid.io/inject"] = "true";
            if (string.Equals(serving.Affinity, "required", StringComparison.Ordinal) && version.Relaxed != true)
            {
                meta.Labels[Required(dataset)] = "required";
            }
        }

        return new()
        {
            ApiVersion = ServingKinds.InferenceServices.ApiVersion,
            Kind = ServingKinds.InferenceServices.Kind,
            Metadata = meta,
            Spec = new() { Predictor = Predictor(model, $"pvc://{dataset}/{(version.Path ?? FluidNames.Mount(model.Metadata.Name!)).Trim('/')}".TrimEnd('/'), canary, serverless) },
        };
    }

    /// <summary>The label by which Fluid's webhook makes the affinity to a Dataset's nodes a must.</summary>
    public static string Required(string dataset) => $"fluid.io/dataset.{dataset}.sched";

    /// <summary>Whether <c>canaryTrafficPercent</c> leaves the newest revision less than all traffic.</summary>
    public static bool Shared(InferenceService service) => service.Spec?.Predictor?[Share] is { } percent && percent.ToString() != "100";

    /// <summary>Says in so many words that the newest revision gets all traffic: our leaving out the field does not take away a share that somebody else wrote.</summary>
    public static void GiveAll(InferenceService service) => service.Spec!.Predictor![Share] = 100;

    private static JsonObject Predictor(CachedModel model, string storage, int? canary, bool serverless)
    {
        var predictor = model.Spec!.Serving.Predictor?.DeepClone() as JsonObject ?? [];
        predictor.Remove(Share);
        if (canary is { } percent)
        {
            predictor[Share] = percent;
        }

        predictor["minReplicas"] ??= 0;
        predictor["timeout"] ??= 600;
        if (predictor["containers"] is not JsonArray containers || containers.Count == 0)
        {
            // Not a collection expression: that one calls the generic Add, which is not for native AOT.
            predictor["containers"] = containers = new JsonArray(new JsonObject { ["name"] = "kserve-container" });
        }

        if (containers[0] is JsonObject container)
        {
            var env = container["env"] as JsonArray;
            if (env is null)
            {
                container["env"] = env = [];
            }

            Env(env, "STORAGE_URI", storage, overwrite: true);
            Env(env, "MODEL_NAME", model.ModelName(), overwrite: false);
            if (serverless && container["resources"] is JsonObject resources)
            {
                (resources["limits"] as JsonObject)?.Remove(Gpu);
                (resources["requests"] as JsonObject)?.Remove(Gpu);
            }
        }

        return predictor;
    }

    private static void Env(JsonArray env, string name, string value, bool overwrite)
    {
        var entry = env.OfType<JsonObject>().FirstOrDefault(e => (string?)e["name"] == name);
        if (entry is null)
        {
            env.Add((JsonNode)new JsonObject { ["name"] = name, ["value"] = value });
        }
        else if (overwrite)
        {
            entry["value"] = value;
            entry.Remove("valueFrom");
        }
    }

    private static void Set(Dictionary<string, string> map, string key, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            map[key] = value;
        }
    }
}
