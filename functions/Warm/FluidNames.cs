using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Warm;

/// <summary>Deterministic names within Fluid's limits, so that a duplicate is the same object and not a second one.</summary>
internal static class FluidNames
{
    /// <summary>Fluid appends <c>-jindofs-worker</c> for a StatefulSet whose pods must stay below 63 characters.</summary>
    public const int MaxDatasetName = 37;

    /// <summary>The Helm release <c>{name}-loader</c> has at most 53 characters.</summary>
    public const int MaxDataLoadName = 46;

    /// <summary>What the key of every worker label begins with.</summary>
    public const string WorkerPrefix = "fluid.io/s-";

    /// <summary>From this length on Fluid puts a uid in place of names (DNS1035LabelMaxLength).</summary>
    private const int MaxLabelKey = 63;

    private const int DigestLength = 10;

    /// <summary>Name of the Dataset and JindoRuntime of one version: DNS-1035, at most 37 characters.</summary>
    public static string Dataset(string model, string digest) =>
        $"{DnsName.Of(model, MaxDatasetName - DigestLength - 1)}-{digest[..DigestLength]}";

    /// <summary>Name of a version's DataLoad: one name per attempt, because Fluid ignores changes of a DataLoad whose Job began.</summary>
    /// <param name="dataset">The version's own name, as <see cref="Dataset"/> gives it.</param>
    /// <param name="attempt">From 0; up to 99 within Fluid's limit.</param>
    public static string DataLoad(string dataset, int attempt = 0) => attempt == 0 ? $"{dataset}-load" : $"{dataset}-load-{attempt + 1}";

    /// <summary>
    /// The label of the nodes on which cache workers of a Dataset run: where the whole key, prefix included, has 63 characters or more, the Dataset's uid stands in place of namespace and name
    /// (fluid pkg/utils/label.go, GetNamespacedNameValueWithPrefix).
    /// </summary>
    public static string WorkerLabel(string? ns, string dataset, string? uid)
    {
        var key = $"{WorkerPrefix}{ns}-{dataset}";
        return key.Length < MaxLabelKey || string.IsNullOrEmpty(uid) ? key : WorkerPrefix + uid;
    }

    /// <summary>Name of the mount inside the Dataset: <c>pvc://dataset/{mount}</c>.</summary>
    public static string Mount(string model) => DnsName.Of(model, 32);
}
