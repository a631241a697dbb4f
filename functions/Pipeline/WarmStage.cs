using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Brings a version's bytes near and judges whether they are:
/// 1. a Dataset and JindoRuntime of its own, or the adopted one as it stands;
/// 2. one DataLoad, and after one that failed another, a few times and ever later;
/// 3. warm when proven; under <c>proof: prefer</c> also after the limit, which is said;
/// 4. what somebody has edited or deleted since is put right, for the version that serves as well.
/// </summary>
internal static class WarmStage
{
    /// <summary>DataLoads of one version that may fail before a person has to ask for more.</summary>
    internal const int MaxLoadFailures = 5;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(30);

    public static WarmthVerdict Plan(LinePass pass, VersionStatus target)
    {
        Name(pass, target);
        // 1
        var mayMake = Provide(pass, target);

        // 3 before 2: a version that goes on needs no further DataLoad.
        var verdict = Verdict(pass, target);
        if (target.State == VersionState.Warming)
        {
            Judge(pass, target, verdict);
        }

        // 2
        Load(pass, target, mayMake);
        if (target.State == VersionState.Complete)
        {
            target.State = VersionState.Warming;
        }

        Say(pass, target, verdict);
        return verdict;
    }

    /// <summary>4: the objects of the version that serves while another is the target.</summary>
    public static void Keep(LinePass pass, VersionStatus? target)
    {
        if (pass.Serving is { Dataset: not null, DataLoad: not null } serving && serving != target)
        {
            Load(pass, serving, Provide(pass, serving));
        }
    }

    /// <summary>3: says what goes, or serves, without proof; and takes note when the proof comes later.</summary>
    public static void SayUnproven(LinePass pass, VersionStatus? target)
    {
        var unproven = new List<(VersionStatus Version, WarmthVerdict Verdict)>();
        foreach (var version in new[] { pass.Serving, target }.OfType<VersionStatus>().Distinct().Where(v => v is { State: VersionState.Warm or VersionState.Serving, LoadedAt: null }))
        {
            var verdict = Verdict(pass, version);
            if (verdict.Warmth == Warmth.Warm)
            {
                version.LoadedAt = Conditions.Seconds(pass.Now);
            }
            else
            {
                unproven.Add((version, verdict));
            }
        }

        if (unproven.Count > 0)
        {
            pass.Conditions.Set("WarmthUnproven", true, unproven[0].Verdict.Reason, string.Join("; ",
                unproven.Select(u => $"version {u.Version.Name}: serving without proof of warmth after {pass.Model.Spec!.Cache.WarmTimeoutSeconds} s: {u.Verdict.Message}")));
        }
    }

    public static WarmthVerdict Verdict(LinePass pass, VersionStatus version) =>
        VersionWarmth.Of(pass.Model, version, pass.DatasetOf(version), pass.RuntimeOf(version), pass.LoadOf(version));

    /// <summary>Dataset and JindoRuntime as they have to be; true when there is something that a DataLoad can load.</summary>
    private static bool Provide(LinePass pass, VersionStatus version)
    {
        if (pass.Adopted(version))
        {
            return pass.DatasetOf(version) is not null;
        }

        // Its folder may be gone, or the store away: what is there is still looked after.
        var prefix = pass.Upload(version)?.Prefix;
        if (prefix is not null)
        {
            pass.Ensure(pass.DatasetOf(version), WarmObjects.Dataset(pass.Model, version.Dataset!, prefix, version.Name, version.Digest!), d => new LineAction.ApplyDataset(d), FluidJsonContext.Default.Dataset);
        }
        else if (pass.RuntimeOf(version) is null)
        {
            return false;
        }

        // The prewarmer asks by a mark, so that this field has one writer. A version on its way needs its cache.
        var mark = CacheMark.Of(pass.Model);
        Size(pass, version, mark);
        var runtime = WarmObjects.Runtime(pass.Model, version);
        if (version.State == VersionState.Serving)
        {
            runtime.Spec!.Replicas = mark.Gone(pass.Now) ? 0 : runtime.Spec.Replicas;
            pass.LookAt(mark.Gone(pass.Now) ? null : mark.Until);
        }

        pass.Ensure(pass.RuntimeOf(version), runtime, r => new LineAction.ApplyRuntime(r), FluidJsonContext.Default.JindoRuntime);
        return prefix is not null;
    }

    /// <summary>
    /// A cache has as many workers as were asked for when it was made or taken back, until it is let go: one that is added later would be empty, and one that is taken away would take its copy along.
    /// Where the status that said so was lost, the runtime shows it.
    /// </summary>
    private static void Size(LinePass pass, VersionStatus version, CacheMark mark)
    {
        var (least, most) = (pass.Model.Spec!.Cache.Replicas, pass.Model.Spec.Prewarm.MaxCacheWorkers ?? 0);
        var asked = Math.Max(least, Math.Min(mark.Workers ?? 0, most));
        if (!mark.Gone(pass.Now) && (pass.RuntimeOf(version)?.Spec?.Replicas ?? 0) is var now && (now == 0 || now == asked))
        {
            version.Workers = asked > least ? asked : null;
        }
    }

    private static void Name(LinePass pass, VersionStatus target)
    {
        var own = FluidNames.Dataset(pass.Model.Metadata.Name!, target.Digest!);
        // A version that has been warmed stays where it is, whatever the spec says later.
        if (target.Dataset is null || target.State == VersionState.Complete)
        {
            var existing = pass.Model.Spec!.Cache.ExistingDataset;
            target.Dataset = existing?.Name ?? own;
            target.Path = existing is null ? "/" + FluidNames.Mount(pass.Model.Metadata.Name!) : Inside(pass, existing, target);
        }

        target.DataLoad = FluidNames.DataLoad(own, target.LoadAttempt ?? 0);
    }

    /// <summary>The version's folder inside an adopted Dataset: its path, and the version's folder below it unless the layout is flat.</summary>
    private static string Inside(LinePass pass, ExistingDataset existing, VersionStatus target)
    {
        var folder = pass.Upload(target)?.Prefix[pass.Model.Location()!.Prefix.Length..].Trim('/');
        return "/" + string.Join('/', new[] { existing.Path.Trim('/'), folder ?? target.Name }.Where(s => s.Length > 0));
    }

    private static void Load(LinePass pass, VersionStatus target, bool mayMake)
    {
        StopOlder(pass, target);
        if (pass.LoadOf(target) is { } load && Outlived(pass, target, load))
        {
            // Its name is free for the next one when it is gone: never two of one version at once.
            target.CachedBefore = null;
            if (load.Metadata.DeletionTimestamp is null)
            {
                pass.Actions.Add(new LineAction.DeleteLoad(load.Metadata.Name!, load.Metadata.Uid));
            }

            return;
        }

        if (target.State is VersionState.Complete or VersionState.Warming && pass.LoadOf(target)?.Status?.Phase == "Failed")
        {
            Retry(pass, target);
        }

        if (pass.LoadOf(target) is { } made)
        {
            pass.Ensure(made, WarmObjects.Load(pass.Model, target), l => new LineAction.ApplyLoad(l), FluidJsonContext.Default.DataLoad);
        }
        else if (mayMake)
        {
            if (pass.Adopted(target))
            {
                target.CachedBefore ??= (long?)ByteSize.Parse(pass.Observed.Adopted?.Status?.CacheStates?.GetValueOrDefault("cached"));
            }

            pass.Actions.Add(new LineAction.ApplyLoad(WarmObjects.Load(pass.Model, target)));
        }
    }

    /// <summary>
    /// A replica that read before may start an attempt once more that was given up since, when somebody has deleted it meanwhile. Fluid runs two DataLoads of one Dataset
    /// at once (v1.0.0 and later), and both would read the same bytes: the older goes. Never the newer: who decides on old news knows only older ones.
    /// </summary>
    private static void StopOlder(LinePass pass, VersionStatus target)
    {
        if (target.LoadAttempt is not > 0)
        {
            return;
        }

        var own = FluidNames.Dataset(pass.Model.Metadata.Name!, target.Digest!);
        var older = Enumerable.Range(0, target.LoadAttempt.Value).Select(attempt => FluidNames.DataLoad(own, attempt)).ToHashSet(StringComparer.Ordinal);
        pass.Actions.AddRange(pass.Observed.Loads
            .Where(l => older.Contains(l.Metadata.Name!) && l.Status?.Phase is not ("Complete" or "Failed") && l.Metadata.DeletionTimestamp is null && !Ownership.Foreign(pass.Model, l.Metadata))
            .Select(l => new LineAction.DeleteLoad(l.Metadata.Name!, l.Metadata.Uid)));
    }

    /// <summary>It filled a cache that is gone: the Dataset or the runtime was deleted and made again after it.</summary>
    private static bool Outlived(LinePass pass, VersionStatus target, DataLoad load) =>
        !Ownership.Foreign(pass.Model, load.Metadata)
        && (pass.DatasetOf(target)?.Metadata.CreationTimestamp > load.Metadata.CreationTimestamp || pass.RuntimeOf(target)?.Metadata.CreationTimestamp > load.Metadata.CreationTimestamp);

    private static void Retry(LinePass pass, VersionStatus target)
    {
        if (target.LoadRetryAt is null && (target.LoadFailures ?? 0) < MaxLoadFailures)
        {
            target.LoadFailures = (target.LoadFailures ?? 0) + 1;
            target.LoadRetryAt = target.LoadFailures < MaxLoadFailures
                ? Conditions.Seconds(pass.Now + (FirstRetry * Math.Pow(4, target.LoadFailures.Value - 1)))
                : null;
        }

        if (target.LoadRetryAt <= pass.Now)
        {
            target.LoadRetryAt = null;
            target.LoadAttempt = (target.LoadAttempt ?? 0) + 1;
            Name(pass, target);
        }

        pass.LookAt(target.LoadRetryAt);
    }

    private static void Say(LinePass pass, VersionStatus target, WarmthVerdict verdict)
    {
        var (dataset, runtime, load) = (pass.DatasetOf(target), pass.RuntimeOf(target), pass.LoadOf(target));
        if (pass.Adopted(target) && dataset is null)
        {
            pass.Conditions.Set("CacheReady", false, "DatasetMissing", $"Dataset {target.Dataset} (spec.cache.existingDataset) does not exist in namespace {pass.Model.Metadata.Namespace}");
        }
        else
        {
            var bound = dataset?.Status?.Phase == "Bound" && (runtime?.Status?.WorkerPhase == "Ready" || (runtime is null && pass.Adopted(target)));
            pass.Conditions.Set("CacheReady", bound, bound ? "DatasetBound" : "DatasetNotBound",
                $"Dataset {target.Dataset}: {dataset?.Status?.Phase ?? "not made yet"}, workers {runtime?.Status?.WorkerPhase ?? "not made yet"}");
        }

        if (load?.Status?.Phase == "Failed" && target.State == VersionState.Warming)
        {
            var why = load.Status.Conditions?.Find(c => c.Type == "Failed");
            var next = target.LoadRetryAt is { } at ? $"another is tried at {at:u}" : $"no more are tried: once the cause is gone, set the annotation {VersionChoice.RetryAnnotation}={target.Digest}";
            pass.Conditions.Set("CacheWarm", false, "LoadFailed", $"DataLoad {load.Metadata.Name} failed ({why?.Reason} {why?.Message}".TrimEnd() + $"), {target.LoadFailures} of {MaxLoadFailures}; {next}");
            return;
        }

        pass.Conditions.Set("CacheWarm", verdict.Warmth switch { Warmth.Warm => true, Warmth.Unknown => null, _ => false }, verdict.Reason, verdict.Message);
    }

    private static void Judge(LinePass pass, VersionStatus target, WarmthVerdict verdict)
    {
        var cache = pass.Model.Spec!.Cache;
        if (verdict.Warmth == Warmth.Warm)
        {
            target.State = VersionState.Warm;
            target.LoadedAt = Conditions.Seconds(pass.Now);
            target.LoadFailures = null;
            target.LoadRetryAt = null;
        }
        else if (cache.Proof != "require" && Began(pass, target) is { } began)
        {
            var limit = began.AddSeconds(cache.WarmTimeoutSeconds);
            if (pass.Now >= limit)
            {
                target.State = VersionState.Warm;
                target.LoadRetryAt = null;
            }
            else
            {
                pass.LookAt(limit);
            }
        }
    }

    /// <summary>When the version's first DataLoad was made.</summary>
    private static DateTimeOffset? Began(LinePass pass, VersionStatus target) =>
        pass.Observed.Loads.Where(l => l.Metadata.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation) == target.Digest).Min(l => l.Metadata.CreationTimestamp);
}
