using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale.Reads;

/// <summary>The Job that reads a version on a node: the mount of KServe's pod (pvc://CLAIM/PATH), every file once and in order, and how many bytes came in which time.</summary>
internal static class ReadJob
{
    /// <summary>On the Job and its pod, with the Job's name.</summary>
    public const string Label = "prewarm.dev/read";

    /// <summary>The container's name.</summary>
    public const string Container = "read";

    /// <summary>Where the version is mounted.</summary>
    public const string MountPath = "/mnt/models";

    /// <summary>How many bytes have to come.</summary>
    public const string BytesVariable = "BYTES";

    /// <summary>Seconds after which a read is given up.</summary>
    public const int Deadline = 600;

    /// <summary>Seconds after which what has ended is removed.</summary>
    public const int TimeToLive = 600;

    /// <summary>
    /// Bytes, and the times before and after, in seconds since the node's start (hundredths), as the container's termination message: with it ends what the Job has to say.
    /// </summary>
    public const string Script = """
        read -r begin rest </proc/uptime
        bytes=$(find "$FROM" -type f -exec cat {} + | wc -c)
        read -r end rest </proc/uptime
        echo $bytes $begin $end >"$TO"
        test "$bytes" -ge "$BYTES"
        """;

    /// <summary>One name per version, node and what the read follows: several who make it at once make one.</summary>
    /// <param name="since">The load, or the start of the node's worker, that the read follows.</param>
    public static string Name(CachedModel model, VersionStatus version, string node, DateTimeOffset since)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{node}\n{since.ToUnixTimeSeconds()}"))))[..8];
        return $"{FluidNames.Dataset(model.Metadata.Name!, version.Digest!)}-read-{hash}";
    }

    /// <param name="version">With its Dataset, Path, Digest and Bytes.</param>
    public static Job Of(CachedModel model, VersionStatus version, string node, string name, string image)
    {
        var meta = Ownership.Meta(model, name, version.Name, version.Digest!);
        meta.Labels![Label] = name;
        return new()
        {
            ApiVersion = ReadKinds.Jobs.ApiVersion,
            Kind = ReadKinds.Jobs.Kind,
            Metadata = meta,
            Spec = new()
            {
                ["backoffLimit"] = 0,
                ["activeDeadlineSeconds"] = Deadline,
                ["ttlSecondsAfterFinished"] = TimeToLive,
                ["template"] = new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["labels"] = new JsonObject
                        {
                            [Ownership.ModelLabel] = meta.Labels[Ownership.ModelLabel],
                            [Ownership.ManagedByLabel] = "prewarm",
                            [Label] = name,
                            // A sidecar would never end, and with it the Job.
                            ["sidecar.istio.io/inject"] = "false",
                        },
                        ["annotations"] = new JsonObject { ["sidecar.istio.io/inject"] = "false" },
                    },
                    ["spec"] = Pod(version, node, image),
                },
            },
        };
    }

    private static JsonObject Pod(VersionStatus version, string node, string image)
    {
        var mount = new JsonObject { ["name"] = "model", ["mountPath"] = MountPath, ["readOnly"] = true };
        if ((version.Path ?? "").Trim('/') is { Length: > 0 } path)
        {
            mount["subPath"] = path;
        }

        return new()
        {
            ["restartPolicy"] = "Never",
            ["automountServiceAccountToken"] = false,
            ["enableServiceLinks"] = false,
            ["terminationGracePeriodSeconds"] = 1,
            // As a DaemonSet's pods: by the node's name, past the scheduler's rules for nodes that only predictors may use.
            ["affinity"] = JsonNode.Parse($$$$"""{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["{{{{node}}}}"]}]}]}}}"""),
            ["tolerations"] = JsonNode.Parse("""[{"operator":"Exists"}]"""),
            ["securityContext"] = JsonNode.Parse("""{"runAsNonRoot":true,"runAsUser":65532,"runAsGroup":65532,"seccompProfile":{"type":"RuntimeDefault"}}"""),
            ["containers"] = new JsonArray(new JsonObject
            {
                ["name"] = Container,
                ["image"] = image,
                ["command"] = new JsonArray("sh", "-c", Script),
                ["env"] = new JsonArray(
                    Variable(BytesVariable, (version.Bytes ?? 0).ToString(CultureInfo.InvariantCulture)),
                    Variable("FROM", MountPath + "/"),
                    Variable("TO", "/dev/termination-log")),
                ["terminationMessagePolicy"] = "FallbackToLogsOnError",
                ["volumeMounts"] = new JsonArray(mount),
                ["resources"] = JsonNode.Parse("""{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"cpu":"1","memory":"256Mi"}}"""),
                ["securityContext"] = JsonNode.Parse("""{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}}"""),
            }),
            ["volumes"] = new JsonArray(new JsonObject { ["name"] = "model", ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = version.Dataset, ["readOnly"] = true } }),
        };
    }

    private static JsonObject Variable(string name, string value) => new() { ["name"] = name, ["value"] = value };
}
