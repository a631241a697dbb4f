using System.Globalization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// What a CachedModel's spec says that can never work, whatever the cluster holds. The CRD refuses most of it at the door; this is for a CRD that is
/// older than the functions, and for what a schema cannot say. Pure; faults in the order of the manifest.
/// </summary>
internal static class SpecChecks
{
    /// <summary>As the CRD's: <c>latest-NAME-predictor</c> is one label of a host, and the pods' names grow from it.</summary>
    private const int MaxServingName = 40;

    private const int MaxObjectName = 253;
    private const int MaxBucketName = 255;

    public static IReadOnlyList<SpecFault> Of(CachedModel model) => model.Spec is not { } spec
        ? [SpecFault.Text("InvalidSource", "spec.source.uri", null, "write oss://<bucket>/<prefix>")]
        : [.. Source(spec.Source), .. Cache(spec.Cache), .. Tier(spec.Cache.Tier), .. Existing(spec.Cache.ExistingDataset), .. Serving(spec.Serving), .. PredictorChecks.Of(spec.Serving.Predictor), .. Rollout(spec.Rollout)];

    /// <summary>A version that its cache can never hold: what all copies need, against what all workers keep before they evict.</summary>
    public static SpecFault? TooSmall(CachedModel model, VersionStatus version)
    {
        var cache = model.Spec!.Cache;
        if (Quantity.Parse(cache.Tier.Quota) is not { } quota || Share(cache.Tier.High) is not { } high || version.Bytes is not { } bytes)
        {
            return null;
        }

        var (copies, workers) = (WarmObjects.Copies(model, version), WarmObjects.Workers(model, version));
        var needed = (double)bytes * copies / workers;
        return needed <= quota * high ? null : SpecFault.Text("QuotaTooSmall", "spec.cache.tier.quota", cache.Tier.Quota,
            $"version {ObjectKeys.Printable(version.Name)} has {ByteSize.Format(bytes)}, and {copies} {(copies == 1 ? "copy" : "copies")} on {workers} {(workers == 1 ? "worker" : "workers")} that evict above {cache.Tier.High} of it need at least {Quantity.AtLeast(needed / high)} each: raise it");
    }

    /// <summary>Whether an InferenceService can have the name.</summary>
    public static bool ServingName(string? name) => string.IsNullOrEmpty(name) || (name.Length <= MaxServingName && Label(name, letterFirst: true));

    /// <summary>Whether a Secret, Dataset and the like can have the name (DNS-1123 subdomain).</summary>
    public static bool ObjectName(string? name) => name is { Length: > 0 and <= MaxObjectName } && name.Split('.').All(l => Label(l, letterFirst: false));

    private static IEnumerable<SpecFault> Source(SourceSpec source)
    {
        var location = SourceLocation.Parse(source.Uri);
        if (location is null)
        {
            yield return SpecFault.Text("InvalidSource", "spec.source.uri", source.Uri, "write oss://<bucket>/<prefix>");
        }
        else if (location.Bucket.Length > MaxBucketName || !location.Bucket.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_') || !char.IsAsciiLetterOrDigit(location.Bucket[0]))
        {
            yield return SpecFault.Text("InvalidSource", "spec.source.uri", source.Uri, "a bucket's name has letters, digits, '-', '.' and '_' only: write oss://<bucket>/<prefix>");
        }
        else if (source.Uri["oss://".Length..].Contains("//", StringComparison.Ordinal))
        {
            yield return SpecFault.Text("InvalidSource", "spec.source.uri", source.Uri, "it has an empty folder name, which Fluid cannot mount: write one '/' between folders");
        }
        else if (location.Prefix.Length > 0 && ObjectKeys.UnusableBecause(location.Prefix[..^1]) is { } why)
        {
            yield return SpecFault.Text("InvalidSource", "spec.source.uri", source.Uri, $"its prefix {why}, which Fluid cannot mount: upload to another prefix and name that");
        }

        if (EndpointFix(source.Endpoint, location?.Bucket) is { } fix)
        {
            yield return SpecFault.Text("InvalidEndpoint", "spec.source.endpoint", source.Endpoint, fix);
        }

        if (source.CredentialsSecret is { Length: > 0 } secret && !ObjectName(secret))
        {
            yield return SpecFault.Text("InvalidName", "spec.source.credentialsSecret", secret, "no Secret can have that name: write the name of one in the model's namespace");
        }

        var complete = source.Complete;
        foreach (var fault in (SpecFault?[])
        [
            OneOf("spec.source.versions", source.Versions, "Auto", "Folders", "Flat"),
            OneOf("spec.source.complete.when", complete.When, "Auto", "Marker", "Index", "Manifest", "Quiet"),
            complete.Marker.Length == 0 || complete.Marker[0] == '/' || complete.Marker.Any(char.IsControl)
                ? SpecFault.Text("InvalidMarker", "spec.source.complete.marker", complete.Marker, "write a file name, such as _SUCCESS") : null,
            Within("spec.source.complete.quietSeconds", complete.QuietSeconds, 1, 86_400),
            Within("spec.source.complete.stalledAfterMinutes", complete.StalledAfterMinutes, 1, 10_080),
        ])
        {
            if (fault is not null)
            {
                yield return fault;
            }
        }
    }

    private static IEnumerable<SpecFault> Cache(CacheSpec cache) => ((SpecFault?[])
    [
        Within("spec.cache.replicas", cache.Replicas, 1, 1000),
        cache.Copies is { } copies
            ? Within("spec.cache.copies", copies, 1, 1000) ?? (copies > cache.Replicas && cache.Replicas > 0
                ? new("OutOfBounds", "spec.cache.copies", Number(copies), $"no more copies than workers can exist, and spec.cache.replicas is {Number(cache.Replicas)}: lower copies or raise replicas") : null)
            : null,
        OneOf("spec.cache.proof", cache.Proof, "require", "prefer"),
        OneOf("spec.cache.onRemote", cache.OnRemote, "Report", "Move"),
        OneOf("spec.cache.verify", cache.Verify, "Bytes", "Read"),
        Quantity.Parse(cache.ReadFloor) > 0
            ? null : SpecFault.Text("InvalidQuantity", "spec.cache.readFloor", cache.ReadFloor, "write bytes per second above 0, such as 200Mi"),
        OneOf("spec.cache.locality", cache.Locality, "require", "prefer", "ignore"),
        Within("spec.cache.localityTimeoutSeconds", cache.LocalityTimeoutSeconds, 0, 86_400),
        Within("spec.cache.warmTimeoutSeconds", cache.WarmTimeoutSeconds, 1, 86_400),
        Within("spec.cache.keepVersions", cache.KeepVersions, 1, 20),
    ]).OfType<SpecFault>();

    private static IEnumerable<SpecFault> Tier(TierSpec tier) => ((SpecFault?[])
    [
        OneOf("spec.cache.tier.medium", tier.Medium, "MEM", "SSD", "HDD"),
        OneOf("spec.cache.tier.volumeType", tier.VolumeType, "hostPath", "emptyDir"),
        tier.Path.Split(',').All(p => p.Length > 1 && p[0] == '/' && ObjectKeys.UnusableBecause(p[1..].TrimEnd('/')) is null)
            ? null : SpecFault.Text("InvalidPath", "spec.cache.tier.path", tier.Path, "write an absolute path without blanks, such as /mnt/ssd0/cache"),
        Quantity.Parse(tier.Quota) > 0
            ? null : SpecFault.Text("InvalidQuota", "spec.cache.tier.quota", tier.Quota, "write a quantity of bytes above 0, such as 50Gi"),
        Share(tier.High) is { } high && high > 0
            ? null : SpecFault.Text("OutOfBounds", "spec.cache.tier.high", tier.High, "write a share above 0 and up to 1, such as \"0.95\""),
        Share(tier.Low) is not { } low
            ? SpecFault.Text("OutOfBounds", "spec.cache.tier.low", tier.Low, "write a share from 0 to 1, such as \"0.7\"")
            : low > Share(tier.High) ? SpecFault.Text("OutOfBounds", "spec.cache.tier.low", tier.Low, $"eviction begins at high and ends at low, and spec.cache.tier.high is '{tier.High}': write a lower one") : null,
    ]).OfType<SpecFault>();

    private static IEnumerable<SpecFault> Existing(ExistingDataset? existing)
    {
        if (existing is null)
        {
            yield break;
        }

        if (!ObjectName(existing.Name))
        {
            yield return SpecFault.Text("InvalidName", "spec.cache.existingDataset.name", existing.Name, "no Dataset can have that name: write the name of one in the model's namespace, or remove existingDataset");
        }

        if (existing.Path.Trim('/') is { Length: > 0 } path && ObjectKeys.UnusableBecause(path) is { } why)
        {
            yield return SpecFault.Text("InvalidPath", "spec.cache.existingDataset.path", existing.Path, $"it {why}, which Fluid cannot load: write the path below the Dataset's mount that holds the versions");
        }
    }

    private static IEnumerable<SpecFault> Serving(ServingSpec serving) => ((SpecFault?[])
    [
        ServingName(serving.Name)
            ? null : SpecFault.Text("InvalidName", "spec.serving.name", serving.Name, $"Knative makes host names of it: write at most {MaxServingName} of a-z, 0-9 and '-', beginning with a letter and not ending with '-'"),
        ModelName(serving.ModelName)
            ? null : SpecFault.Text("InvalidName", "spec.serving.modelName", serving.ModelName, "it is the {model} of /v1/models/{model}:predict: write at most 253 letters, digits, '-', '_' and '.'"),
        OneOf("spec.serving.platform", serving.Platform, "ACK", "ACKServerless"),
        OneOf("spec.serving.affinity", serving.Affinity, "required", "preferred", "off"),
        Within("spec.serving.affinityTimeoutSeconds", serving.AffinityTimeoutSeconds, 1, 86_400),
    ]).OfType<SpecFault>();

    private static IEnumerable<SpecFault> Rollout(RolloutSpec rollout) => ((SpecFault?[])
    [
        Within("spec.rollout.readyTimeoutSeconds", rollout.ReadyTimeoutSeconds, 1, 86_400),
        Within("spec.rollout.goldenTimeoutSeconds", rollout.GoldenTimeoutSeconds, 1, 3600),
    ]).OfType<SpecFault>();

    private static string? EndpointFix(string endpoint, string? bucket)
    {
        const string write = "write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com, or the URL of a store without a path";
        if (StoreEndpoint.Parse(endpoint) is null || endpoint.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))
            || !Uri.TryCreate(endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : $"https://{endpoint}", UriKind.Absolute, out var uri)
            || uri.HostNameType == UriHostNameType.Unknown || uri.UserInfo.Length > 0 || uri.PathAndQuery != "/" || uri.Fragment.Length > 0 || uri.Port == 0)
        {
            return write;
        }

        // What OSS's console shows first is the bucket's own domain name.
        return bucket is { Length: > 0 } && uri.Host.EndsWith(".aliyuncs.com", StringComparison.Ordinal) && uri.Host.StartsWith(bucket + ".", StringComparison.OrdinalIgnoreCase)
            ? $"it begins with the bucket, which spec.source.uri names already: write {uri.Host[(bucket.Length + 1)..]}"
            : null;
    }

    private static bool ModelName(string? name) => string.IsNullOrEmpty(name)
        || (name.Length <= MaxObjectName && name is not ("." or "..") && name.All(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.'));

    private static bool Label(string text, bool letterFirst) => text.Length is > 0 and <= 253
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
        && text[^1] != '-' && (letterFirst ? char.IsAsciiLetterLower(text[0]) : text[0] != '-');

    /// <summary>A share from 0 to 1 as JindoRuntime has it, a text.</summary>
    private static double? Share(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share is >= 0 and <= 1 ? share : null;

    private static SpecFault? Within(string field, int value, int least, int most) =>
        value >= least && value <= most ? null : new("OutOfBounds", field, Number(value), $"write {Number(least)} to {Number(most)}");

    private static SpecFault? OneOf(string field, string value, params string[] known) =>
        known.Contains(value, StringComparer.Ordinal) ? null : SpecFault.Text("UnknownValue", field, value, $"write {string.Join(", ", known[..^1])} or {known[^1]}");

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
