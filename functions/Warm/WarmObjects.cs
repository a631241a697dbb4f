using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Warm;

/// <summary>Builds the Dataset, JindoRuntime and DataLoad of one version, field by field as the tutorial has them, with only our fields set.</summary>
internal static class WarmObjects
{
    public static Dataset Dataset(CachedModel model, string name, string versionPrefix, string version, string digest)
    {
        var source = model.Spec!.Source;
        var location = model.Location()!;
        var mount = FluidNames.Mount(model.Metadata.Name!);
        return new()
        {
            ApiVersion = FluidKinds.Datasets.ApiVersion,
            Kind = FluidKinds.Datasets.Kind,
            Metadata = Ownership.Meta(model, name, version, digest),
            Spec = new()
            {
                Mounts =
                [
                    new()
                    {
                        MountPoint = $"oss://{location.Bucket}/{versionPrefix.TrimEnd('/')}",
                        Name = mount,
                        Path = "/" + mount,
                        Options = new() { ["fs.oss.endpoint"] = source.Endpoint },
                        EncryptOptions = source.CredentialsSecret is { Length: > 0 } secret
                            ? [Encrypted(secret, SourceSecret.IdKey), Encrypted(secret, SourceSecret.SecretKey)]
                            : null,
                    },
                ],
                AccessModes = ["ReadOnlyMany"],
                Placement = "Shared",
            },
        };
    }

    /// <param name="version">With its Dataset set.</param>
    public static JindoRuntime Runtime(CachedModel model, VersionStatus version)
    {
        var cache = model.Spec!.Cache;
        return new()
        {
            ApiVersion = FluidKinds.JindoRuntimes.ApiVersion,
            Kind = FluidKinds.JindoRuntimes.Kind,
            Metadata = Ownership.Meta(model, version.Dataset!, version.Name, version.Digest!),
            Spec = new()
            {
                Replicas = Workers(model, version),
                Tieredstore = new()
                {
                    Levels =
                    [
                        new()
                        {
                            Mediumtype = cache.Tier.Medium,
                            VolumeType = cache.Tier.VolumeType,
                            Path = cache.Tier.Path,
                            Quota = cache.Tier.Quota,
                            High = cache.Tier.High,
                            Low = cache.Tier.Low,
                        },
                    ],
                },
                Fuse = new()
                {
                    Properties = new() { ["fs.jindofsx.data.cache.enable"] = "true" },
                    Args = ["-okernel_cache", "-oro", "-oattr_timeout=7200", "-oentry_timeout=7200", "-ometrics_port=9089"],
                    CleanPolicy = "OnDemand",
                },
            },
        };
    }

    /// <param name="version">With its Dataset, Path and DataLoad set.</param>
    public static DataLoad Load(CachedModel model, VersionStatus version) => new()
    {
        ApiVersion = FluidKinds.DataLoads.ApiVersion,
        Kind = FluidKinds.DataLoads.Kind,
        Metadata = Ownership.Meta(model, version.DataLoad!, version.Name, version.Digest!),
        Spec = new()
        {
            Dataset = new() { Name = version.Dataset, Namespace = model.Metadata.Namespace },
            // Objects uploaded after the mount are unseen without it.
            LoadMetadata = true,
            Target = [new() { Path = version.Path, Replicas = Copies(model, version) }],
        },
    };

    /// <summary>Workers of a version's cache while it is not let go.</summary>
    public static int Workers(CachedModel model, VersionStatus version) => Math.Max(model.Spec!.Cache.Replicas, version.Workers ?? 0);

    /// <summary>Copies of each file: one per worker unless the spec says how many; more than there are workers cannot exist.</summary>
    public static int Copies(CachedModel model, VersionStatus version) => Math.Min(model.Spec!.Cache.Copies ?? int.MaxValue, Workers(model, version));

    private static EncryptOption Encrypted(string secret, string key) =>
        new() { Name = key, ValueFrom = new() { SecretKeyRef = new() { Name = secret, Key = key } } };
}
