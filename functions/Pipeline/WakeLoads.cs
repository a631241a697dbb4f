using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Loads the version that serves a second time, because its cache has lost it:
/// 1. nothing while any DataLoad of its Dataset is on its way, because Fluid works on them one after the other; 2. nothing so soon after the last one that it cannot have been judged yet;
/// 3. else one DataLoad, in place of the one before.
/// </summary>
internal sealed class WakeLoads(IKubeApi api, TimeProvider time, ILogger<WakeLoads> logger)
{
    private const string Suffix = "-wake";
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(20);

    public async Task LoadAsync(ModelKey key, CancellationToken cancellationToken)
    {
        var model = await api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, cancellationToken);
        if (model?.Metadata.DeletionTimestamp is not null || model?.Status?.Versions?.FindLast(v => v.State == VersionState.Serving) is not { Dataset.Length: > 0, Digest.Length: > 0 } serving)
        {
            return;
        }

        // 1
        var ours = (await api.ListAsync(FluidKinds.DataLoads, key.Namespace, Ownership.Selector(key.Name), cancellationToken)).Items.Where(l => l.Spec?.Dataset?.Name == serving.Dataset).ToList();
        // Of the version's own name, also in an adopted Dataset: within Fluid's limits.
        var name = FluidNames.Dataset(key.Name, serving.Digest) + Suffix;
        var before = ours.Find(l => l.Metadata.Name == name);
        if (ours.Exists(l => l.Status?.Phase is not ("Complete" or "Failed")))
        {
            return;
        }

        if (before is not null)
        {
            // 2
            if (time.GetUtcNow() - before.Metadata.CreationTimestamp < Apart)
            {
                return;
            }

            await api.DeleteAsync(FluidKinds.DataLoads, key.Namespace, before.Metadata.Name!, before.Metadata.Uid, now: false, cancellationToken);
        }

        // 3
        var version = serving.Copy();
        version.DataLoad = name;
        var load = WarmObjects.Load(model, version);
        await api.ApplyAsync(FluidKinds.DataLoads, key.Namespace, version.DataLoad, load, Ownership.Manager, force: false, null, cancellationToken);
        Log.LoadStarted(logger, key, version.DataLoad);
    }
}
