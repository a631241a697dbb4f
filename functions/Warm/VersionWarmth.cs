using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Warm;

/// <summary>One version's warmth, in its own Dataset or an adopted one; the same for everyone who asks.</summary>
internal static class VersionWarmth
{
    /// <param name="load">The version's DataLoad; null when it is gone. One that was proven once need not stay for ever.</param>
    public static WarmthVerdict Of(CachedModel model, VersionStatus version, Dataset? dataset, JindoRuntime? runtime, DataLoad? load)
    {
        load ??= version.LoadedAt is null ? null : new() { Status = new() { Phase = "Complete" } };
        var copies = WarmObjects.Copies(model, version);
        return Adopted(model, version)
            ? WarmthVerdict.OfAdopted(dataset, runtime, load, version.Bytes ?? 0, Math.Min(copies, runtime?.Spec?.Replicas ?? copies), version.CachedBefore)
            : WarmthVerdict.Of(dataset, runtime, load, version.Bytes ?? 0, copies);
    }

    /// <summary>Whether a version lies in a Dataset that was there before us: never written, never deleted.</summary>
    public static bool Adopted(CachedModel model, VersionStatus version) =>
        version is { Dataset: not null, Digest: not null } && version.Dataset != FluidNames.Dataset(model.Metadata.Name!, version.Digest);
}
