using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Lets go of what nothing needs, and takes a deleted model apart. Only what we own is ever deleted.</summary>
internal static class CleanupStage
{
    /// <summary>
    /// How long an object may be there before the status knows it: longer than a look takes from its first read to its last write. A replica reads the status first and the
    /// objects afterwards, so what it does not know may be what another has just made.
    /// </summary>
    internal static readonly TimeSpan Young = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Deletes the caches of versions that neither serve, nor are on their way, nor are kept for a way back: at once where the status that was read has such a version with its
    /// cache, else (left by a process that was killed, or by old news) when they are no longer young.
    /// </summary>
    public static void LetGo(LinePass pass, VersionStatus? target)
    {
        var observed = pass.Observed;
        // Whose cache is looked after, and made again where it is gone.
        var provided = pass.Versions.Where(v => v.State == VersionState.Serving).Select(v => v.Digest).Append(target?.Digest).OfType<string>().ToHashSet(StringComparer.Ordinal);
        var kept = pass.Versions.Where(v => v.ServingSince is not null).OrderByDescending(v => v.ServingSince).Take(Math.Max(1, pass.Model.Spec!.Cache.KeepVersions)).Select(v => v.Digest)
            .Append(pass.Current).OfType<string>().Concat(provided).ToHashSet(StringComparer.Ordinal);
        // By name as well: somebody may have edited the annotation.
        var needed = pass.Versions.Where(v => v.Digest is not null && kept.Contains(v.Digest)).SelectMany(v => (string?[])[v.Dataset, v.DataLoad]).OfType<string>().ToHashSet(StringComparer.Ordinal);
        var known = (observed.Read?.Versions ?? []).Where(v => v.Dataset is not null).Select(v => v.Digest).OfType<string>().ToHashSet(StringComparer.Ordinal);
        pass.Actions.AddRange(observed.Loads.Where(l => Dead(l.Metadata) || Stranded(l)).Select(l => new LineAction.DeleteLoad(l.Metadata.Name!, l.Metadata.Uid)));
        pass.Actions.AddRange(observed.Datasets.Select(d => d.Metadata).Where(Dead).Select(m => new LineAction.DeleteDataset(m.Name!, m.Uid)));
        pass.Actions.AddRange(observed.Runtimes.Select(r => r.Metadata).Where(Dead).Select(m => new LineAction.DeleteRuntime(m.Name!, m.Uid)));
        foreach (var version in pass.Versions.Where(v => v.Dataset is not null && !kept.Contains(v.Digest!)))
        {
            version.Dataset = null;
            version.DataLoad = null;
            version.CachedBefore = null;
            version.Workers = null;
        }

        bool Dead(ObjectMeta meta) => Ours(meta) is { } digest && !needed.Contains(meta.Name!) && !kept.Contains(digest) && (known.Contains(digest) || Old(meta));

        // Of a version that is only kept, or refused and still the newest revision: somebody has deleted its Dataset, and old news made the load once more, or the Dataset too and no runtime. It would wait for ever.
        bool Stranded(DataLoad load) => Ours(load.Metadata) is { } digest && !provided.Contains(digest)
            && load.Spec?.Dataset?.Name is { } dataset && dataset != observed.Adopted?.Metadata.Name
            && (observed.Datasets.All(d => d.Metadata.Name != dataset) || observed.Runtimes.All(r => r.Metadata.Name != dataset)) && Old(load.Metadata);

        // Its version's digest; null: it is not ours to delete, or on its way out.
        string? Ours(ObjectMeta meta) => Ownership.Owns(pass.Model, meta) && meta.DeletionTimestamp is null ? meta.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation) : null;

        bool Old(ObjectMeta meta)
        {
            if (meta.CreationTimestamp is not { } made || made + Young <= pass.Now)
            {
                return true;
            }

            pass.LookAt(made + Young);
            return false;
        }
    }

    /// <summary>The tutorial's order: InferenceService, DataLoad, Dataset, JindoRuntime; the next kind only when the one before is gone.</summary>
    public static LinePlan Delete(Observed observed, CachedModelStatus before, Conditions conditions)
    {
        var model = observed.Model;
        // Labels alone anybody can set: what has no owner is ours only where the status names it.
        var named = (before.Versions ?? []).SelectMany(v => (string?[])[v.Dataset, v.DataLoad]).Append(observed.Service?.Metadata.Name).OfType<string>().ToHashSet(StringComparer.Ordinal);
        List<(ObjectMeta Meta, LineAction Delete)> Mine<T>(IEnumerable<T> items, Func<T, ObjectMeta> meta, Func<ObjectMeta, LineAction> delete) =>
            [.. items.Select(meta).Where(m => Ownership.Owns(model, m) || (!Ownership.Foreign(model, m) && named.Contains(m.Name!))).Select(m => (m, delete(m)))];

        List<(ObjectMeta Meta, LineAction Delete)>[] stages =
        [
            Mine<InferenceService>(observed.Service is null ? [] : [observed.Service], s => s.Metadata, m => new LineAction.DeleteService(m.Name!, m.Uid)),
            Mine(observed.Loads, l => l.Metadata, m => new LineAction.DeleteLoad(m.Name!, m.Uid)),
            Mine(observed.Datasets, d => d.Metadata, m => new LineAction.DeleteDataset(m.Name!, m.Uid)),
            Mine(observed.Runtimes, r => r.Metadata, m => new LineAction.DeleteRuntime(m.Name!, m.Uid)),
        ];
        string[] names = ["InferenceService", "DataLoad", "Dataset", "JindoRuntime"];
        var stage = Array.FindIndex(stages, s => s.Count > 0);
        var message = stage < 0 ? "everything is gone" : $"waiting for {stages[stage].Count} {names[stage]} to go";
        conditions.Set("Ready", false, "Deleting", message);
        List<LineAction> actions = stage >= 0
            // What is on its way out is waited for: to delete it again would do nothing, at every look.
            ? [.. stages[stage].Where(s => s.Meta.DeletionTimestamp is null).Select(s => s.Delete)]
            : model.Metadata.Finalizers?.Contains(Ownership.Finalizer) == true ? [new LineAction.Finalize(Present: false)] : [];
        return new(actions, LineSummary.Status(before, model, "Deleting", conditions, before.Versions, null));
    }
}
