using System.Globalization;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Loads a version a second time, because its cache has lost it:
/// 1. nothing while any DataLoad of its Dataset is on its way, whoever made it: Fluid below 1.0 works on them one after the other, and later versions run both at once;
/// 2. nothing so soon after the last one that it cannot have been judged yet;
/// 3. else one DataLoad, under the number after the last: Fluid ignores changes of one whose Job began. So several who decide at once make one. Fluid removes it after a while.
/// </summary>
internal sealed class WakeLoads(IKubeApi api, TimeProvider time, ILogger<WakeLoads> logger)
{
    private const string Suffix = "-wake";

    /// <summary>Seconds after which Fluid removes a load that has ended.</summary>
    private const int TimeToLive = 3600;
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(20);

    /// <summary>Loads the version that serves.</summary>
    /// <param name="digest">That version instead; null: the one that serves.</param>
    /// <returns>The load that was made, and why none was.</returns>
    public async Task<(string? Load, string? Otherwise)> LoadAsync(ModelKey key, string? digest, CancellationToken cancellationToken)
    {
        var model = await api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, cancellationToken);
        if (model?.Metadata.DeletionTimestamp is not null
            || model?.Status?.Versions?.FindLast(v => digest is null ? v.State == VersionState.Serving : v.Digest == digest) is not { Dataset.Length: > 0, Digest.Length: > 0 } version)
        {
            return (null, "no version of the model is served from a cache");
        }

        // 1
        var ours = (await api.ListAsync(FluidKinds.DataLoads, key.Namespace, Ownership.Selector(key.Name), cancellationToken)).Items.Where(l => l.Spec?.Dataset?.Name == version.Dataset).ToList();
        if (ours.Find(l => l.Metadata.DeletionTimestamp is null && l.Status?.Phase is not ("Complete" or "Failed")) is { } running)
        {
            return (null, $"DataLoad {running.Metadata.Name} is loading already");
        }

        if ((await api.GetAsync(FluidKinds.Datasets, key.Namespace, version.Dataset, cancellationToken))?.Status?.Busy is { } others)
        {
            return (null, $"the Dataset is busy with {others}");
        }

        // 2
        // Of the version's own name, also in an adopted Dataset: within Fluid's limits.
        var name = FluidNames.Dataset(key.Name, version.Digest) + Suffix;
        var wakes = ours.Where(l => Number(l.Metadata.Name, name) > 0).ToList();
        var now = time.GetUtcNow();
        if (wakes.Exists(l => now - l.Metadata.CreationTimestamp < Apart))
        {
            return (null, "a load has just ended");
        }

        // 3
        var last = wakes.Select(l => Number(l.Metadata.Name, name)).DefaultIfEmpty(0).Max();
        var copy = version.Copy();
        copy.DataLoad = last == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}-{last + 1}");
        var load = WarmObjects.Load(model, copy);
        load.Spec!.TtlSecondsAfterFinished = TimeToLive;
        await api.ApplyAsync(FluidKinds.DataLoads, key.Namespace, copy.DataLoad, load, Ownership.Manager, force: false, null, cancellationToken);
        Log.LoadStarted(logger, key, copy.DataLoad);
        return (copy.DataLoad, null);
    }

    /// <summary>1 for the first; 0: it is none.</summary>
    private static int Number(string? load, string first) => load is null ? 0
        : load == first ? 1
        : load.StartsWith(first + "-", StringComparison.Ordinal) && int.TryParse(load.AsSpan(first.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
