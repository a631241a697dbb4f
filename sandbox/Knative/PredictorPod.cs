using System.Text.Json.Nodes;
using Prewarm.Sandbox.Cluster;
using Prewarm.Sandbox.KServe;

namespace Prewarm.Sandbox.Knative;

/// <summary>The pod of a revision, with the volume that KServe's webhook adds for <c>pvc://CLAIM/PATH</c> (kserve pkg/webhook/admission/pod/storage_initializer_injector.go).</summary>
internal static class PredictorPod
{
    private const string MountPath = "/mnt/models";

    /// <summary>The claim and the path in it that hold the model; null when the pod has no <c>pvc://</c> URI.</summary>
    public static (string Name, string Path)? Claim(JsonObject obj)
    {
        if (obj.Text("metadata", "annotations", PredictorTemplate.StorageUri) is not { } uri || !uri.StartsWith("pvc://", StringComparison.Ordinal))
        {
            return null;
        }

        var parts = uri["pvc://".Length..].Split('/', 2);
        return (parts[0], parts.Length > 1 ? parts[1].Trim('/') : "");
    }

    public static string ModelName(JsonObject pod) =>
        pod.At("spec", "containers").Objects().SelectMany(c => c["env"].Objects()).FirstOrDefault(e => e.Text("name") == "MODEL_NAME").Text("value") ?? "model";

    /// <param name="node">Null: no node fits yet.</param>
    public static JsonObject Of(JsonObject revision, string? node, Random random)
    {
        var labels = revision.At("metadata", "labels")?.DeepClone() as JsonObject ?? [];
        labels["app"] = revision.Name();
        labels[RevisionController.RevisionLabel] = revision.Name();
        labels["serving.knative.dev/revisionUID"] = revision.Text("metadata", "uid");
        var containers = (JsonArray?)revision.At("spec", "containers")?.DeepClone() ?? [];
        var spec = new JsonObject
        {
            ["containers"] = containers,
            ["automountServiceAccountToken"] = false,
            ["volumes"] = revision.At("spec", "volumes")?.DeepClone() ?? new JsonArray(),
        };
        if (node is not null)
        {
            spec["nodeName"] = node;
        }

        if (revision.Text("spec", "serviceAccountName") is { } account)
        {
            spec["serviceAccountName"] = account;
        }

        foreach (var container in containers.Objects())
        {
            Complete(container);
        }

        if (Claim(revision) is { } claim && containers.Objects().FirstOrDefault() is { } first)
        {
            ((JsonArray)spec["volumes"]!).Add((JsonNode)new JsonObject
            {
                ["name"] = "kserve-pvc-source",
                ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = claim.Name, ["readOnly"] = false },
            });
            var mount = new JsonObject { ["name"] = "kserve-pvc-source", ["mountPath"] = MountPath, ["readOnly"] = true };
            if (claim.Path.Length > 0)
            {
                mount["subPath"] = claim.Path;
            }

            var mounts = first["volumeMounts"] as JsonArray;
            if (mounts is null)
            {
                first["volumeMounts"] = mounts = [];
            }

            mounts.Add((JsonNode)mount);
            if (first["env"].Objects().FirstOrDefault(e => e.Text("name") == "STORAGE_URI") is { } uri)
            {
                uri["value"] = MountPath;
            }
        }

        return new()
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject
            {
                ["name"] = $"{revision.Name()}-deployment-{random.Next(0x10000, 0xfffff):x5}-{random.Next(0x10000, 0xfffff):x5}",
                ["namespace"] = revision.Namespace(),
                ["labels"] = labels,
                ["annotations"] = revision.At("metadata", "annotations")?.DeepClone(),
                ["ownerReferences"] = Json.Owner(revision),
            },
            ["spec"] = spec,
        };
    }

    /// <summary>A Service leaves out what a Pod may not: its container's name, and a probe's port, which is the container's (knative/serving pkg/reconciler/revision/resources/deploy.go).</summary>
    private static void Complete(JsonObject container)
    {
        container["name"] ??= "user-container";
        foreach (var probe in (string[])["readinessProbe", "livenessProbe"])
        {
            if (container.At(probe, "httpGet") is JsonObject get && get["port"] is null)
            {
                get["port"] = container["ports"].Objects().FirstOrDefault().Number("containerPort") ?? 8080;
            }
        }
    }
}
