using Prewarm.Functions.Catalog;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// The decision of the whole line, without I/O:
/// 1. a deleted model is taken apart in the tutorial's order;
/// 2. a spec that cannot work is said, and nothing is made;
/// 3. the listing updates the versions, and the newest completed one is the target;
/// 4. the target's Dataset, JindoRuntime and DataLoad are made, and its warmth is judged;
/// 5. once warm, its revision is made without traffic, asked its golden questions, and given the traffic;
/// 6. caches that nothing needs any more are let go.
/// </summary>
internal static class LinePlanner
{
    public const string PausedAnnotation = "prewarm.dev/paused";

    private const int MaxSteps = 8;

    /// <summary>Plans until the status stands still, so that one observation is used up in one pass and a second pass writes nothing.</summary>
    public static LinePlan Settle(Observed observed, DateTimeOffset now)
    {
        var plan = Plan(observed, now);
        for (var step = 1; step < MaxSteps; step++)
        {
            var model = observed.Model;
            var next = Plan(observed with { Model = new() { ApiVersion = model.ApiVersion, Kind = model.Kind, Metadata = model.Metadata, Spec = model.Spec, Status = plan.Status } }, now);
            if (Same(next.Status, plan.Status))
            {
                return next;
            }

            plan = next;
        }

        return plan;
    }

    /// <summary>Whether two statuses say the same.</summary>
    public static bool Same(CachedModelStatus? a, CachedModelStatus? b) => System.Text.Json.Nodes.JsonNode.DeepEquals(Node(a), Node(b));

    public static LinePlan Plan(Observed observed, DateTimeOffset now)
    {
        var model = observed.Model;
        var before = model.Status ?? new();
        var conditions = new Conditions(before.Conditions ?? [], model.Metadata.Generation, now);

        // 1
        if (model.Metadata.DeletionTimestamp is not null)
        {
            return Delete(observed, before, conditions);
        }

        // 2
        if (Invalid(observed) is var (reason, message) && reason is not null)
        {
            conditions.Set("Invalid", true, reason, message!);
            conditions.Set("Ready", false, reason, message!);
            return new([], Status(before, model, "Blocked", conditions, before.Versions, null));
        }

        var actions = new List<LineAction>();
        if (model.Metadata.Finalizers?.Contains(Ownership.Finalizer) != true)
        {
            actions.Add(new LineAction.Finalize(Present: true));
        }

        // 3
        var uploads = observed.Uploads?.Versions ?? [];
        var failure = observed.Uploads?.Failure;
        var (versions, overwritten) = failure is null
            ? VersionLedger.Update(before.Versions ?? [], uploads, observed.Cause)
            : VersionLedger.Update(before.Versions ?? [], [.. (before.Versions ?? []).Where(v => v.State == VersionState.Uploading).Select(Unseen)]);
        var target = VersionLedger.Target(versions);
        var nextLook = uploads.Min(u => u.NextLook);
        UploadConditions(conditions, failure, uploads, versions, target, overwritten);

        // 4, 5
        var verdict = new WarmthVerdict(Warmth.Unknown, "NoVersion", "no complete version yet", 0);
        if (target is not null)
        {
            verdict = Warm(observed, target, actions, conditions, now, ref nextLook);
            Roll(observed, versions, target, uploads, actions, conditions, now, ref nextLook);
        }
        else
        {
            conditions.Set("CacheReady", false, "NoVersion", verdict.Message);
            conditions.Set("CacheWarm", false, "NoVersion", verdict.Message);
            conditions.Set("RevisionReady", false, "NoVersion", verdict.Message);
            StopRefused(observed, versions, actions);
        }

        // 6
        LetGo(observed, versions, target, actions);

        var serving = versions.FindLast(v => v.State == VersionState.Serving);
        var serviceReady = observed.Service?.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status;
        conditions.Set("Serving", serving is not null, serving is null ? "NothingServed" : "VersionServed",
            serving is null ? "no version has taken traffic yet" : $"version {serving.Name} serves since {serving.ServingSince:O}");
        var ready = serving is not null && serviceReady == "True";
        conditions.Set("Ready", ready, ready ? "Serving" : Phase(versions, target), ready ? $"version {serving!.Name} serves" : Waiting(versions, target, failure));

        var paused = model.Metadata.Annotations?.GetValueOrDefault(PausedAnnotation) == "true";
        var status = Status(before, model, failure is { Transient: false } ? "Blocked" : Phase(versions, target), conditions, versions, nextLook);
        status.Version = serving?.Name;
        status.Url = observed.Service?.Status?.Url;
        status.Warmth = verdict.Warmth.ToString();
        status.Cached = target is null ? null : $"{ByteSize.Format(verdict.CachedBytes)}/{ByteSize.Format((double)(target.Bytes ?? 0) * WarmObjects.Copies(model))}";
        status.Traffic = Traffic(observed, versions);
        return new(paused ? [] : actions, status);
    }

    private static System.Text.Json.Nodes.JsonNode? Node(CachedModelStatus? status) =>
        System.Text.Json.JsonSerializer.SerializeToNode(new CachedModel { Status = status }, CatalogKinds.CachedModels.Json);

    private static (string? Reason, string? Message) Invalid(Observed observed)
    {
        var model = observed.Model;
        if (model.Location() is null)
        {
            return ("InvalidSource", $"spec.source.uri is '{model.Spec?.Source.Uri}': write oss://<bucket>/<prefix>");
        }

        if (model.Spec!.Source.Endpoint.Length == 0)
        {
            return ("InvalidEndpoint", "spec.source.endpoint is empty: write the bucket's endpoint, such as oss-cn-hangzhou-internal.aliyuncs.com");
        }

        if (model.Spec.Cache.ExistingDataset is { Name.Length: > 0 } existing)
        {
            return ("ExistingDatasetUnsupported", $"spec.cache.existingDataset is '{existing.Name}': adopting a Dataset is not supported yet, remove the field");
        }

        if (observed.Service is { } service && !Ownership.Owns(model, service.Metadata))
        {
            return ("ForeignObject", $"InferenceService {service.Metadata.Name} exists and is not this model's: set spec.serving.name to another name, or delete it");
        }

        return default;
    }

    private static UploadedVersion Unseen(VersionStatus v) =>
        new(v.Name, "", v.Digest ?? "", v.Files ?? 0, v.Bytes ?? 0, false, "Unseen", v.Message ?? "", null, default, null);

    private static void UploadConditions(Conditions conditions, UploadFailure? failure, IReadOnlyList<UploadedVersion> uploads,
        List<VersionStatus> versions, VersionStatus? target, List<string> overwritten)
    {
        var waiting = uploads.LastOrDefault(u => !u.Complete && versions.Exists(v => v.Name == u.Name && v.State is VersionState.Uploading or VersionState.Refused));
        if (failure is not null)
        {
            conditions.Set("UploadComplete", null, failure.Reason, failure.Message);
        }
        else if (waiting is not null)
        {
            conditions.Set("UploadComplete", false, waiting.Reason, $"version {waiting.Name}: {waiting.Message}");
        }
        else if (target is not null)
        {
            var upload = uploads.FirstOrDefault(u => u.Name == target.Name);
            conditions.Set("UploadComplete", true, upload?.Reason ?? "Complete", $"version {target.Name}: {target.Files} files, {ByteSize.Format(target.Bytes ?? 0)}");
        }
        else
        {
            conditions.Set("UploadComplete", false, "NoFiles", "nothing is uploaded below spec.source.uri yet");
        }

        if (waiting is { Stalled: true })
        {
            conditions.Set("Stalled", true, "UploadStalled", $"version {waiting.Name}: {waiting.Message}");
        }

        if (overwritten.Count > 0)
        {
            conditions.Set("OverwrittenInPlace", true, "FilesChanged",
                $"files of {string.Join(", ", overwritten)} changed after they were served; they are not rolled out over themselves: upload a new version folder");
        }
    }

    private static WarmthVerdict Warm(Observed observed, VersionStatus target, List<LineAction> actions, Conditions conditions, DateTimeOffset now, ref DateTimeOffset? nextLook)
    {
        var model = observed.Model;
        var digest = target.Digest!;
        var name = target.Dataset ??= FluidNames.Dataset(model.Metadata.Name!, digest);
        target.DataLoad ??= FluidNames.DataLoad(name);
        var dataset = observed.Datasets.FirstOrDefault(d => d.Metadata.Name == name);
        var runtime = observed.Runtimes.FirstOrDefault(r => r.Metadata.Name == name);
        var load = observed.Loads.FirstOrDefault(l => l.Metadata.Name == target.DataLoad);
        var prefix = observed.Uploads?.Versions.FirstOrDefault(u => u.Name == target.Name)?.Prefix;
        if (prefix is not null)
        {
            Ensure(actions, dataset, WarmObjects.Dataset(model, name, prefix, target.Name, digest), d => new LineAction.ApplyDataset(d), FluidJsonContext.Default.Dataset);
            Ensure(actions, runtime, WarmObjects.Runtime(model, name, target.Name, digest), r => new LineAction.ApplyRuntime(r), FluidJsonContext.Default.JindoRuntime);
            // A DataLoad is never edited: Fluid ignores changes after its Job began.
            if (load is null && target.State is (VersionState.Complete or VersionState.Warming))
            {
                actions.Add(new LineAction.ApplyLoad(WarmObjects.Load(model, name, target.Name, digest)));
            }
        }

        if (target.State == VersionState.Complete)
        {
            target.State = VersionState.Warming;
        }

        var verdict = WarmthVerdict.Of(dataset, runtime, load, target.Bytes ?? 0, WarmObjects.Copies(model));
        var bound = dataset?.Status?.Phase == "Bound" && runtime?.Status?.WorkerPhase == "Ready";
        conditions.Set("CacheReady", bound, bound ? "DatasetBound" : "DatasetNotBound", $"Dataset {name}: {dataset?.Status?.Phase ?? "not made yet"}, workers {runtime?.Status?.WorkerPhase ?? "not made yet"}");
        conditions.Set("CacheWarm", verdict.Warmth switch { Warmth.Warm => true, Warmth.Unknown => null, _ => false }, verdict.Reason, verdict.Message);
        if (target.State == VersionState.Warming)
        {
            if (verdict.Warmth == Warmth.Warm)
            {
                target.State = VersionState.Warm;
                target.LoadedAt = Conditions.Seconds(now);
            }
            else if (model.Spec!.Cache.Proof != "require" && load?.Metadata.CreationTimestamp is { } began)
            {
                var limit = began.AddSeconds(model.Spec.Cache.WarmTimeoutSeconds);
                if (now >= limit)
                {
                    target.State = VersionState.Warm;
                }
                else
                {
                    nextLook = Earlier(nextLook, limit);
                }
            }
        }

        if (target.State != VersionState.Warming && target.LoadedAt is null)
        {
            conditions.Set("WarmthUnproven", true, verdict.Reason, $"serving without proof of warmth after {model.Spec!.Cache.WarmTimeoutSeconds} s: {verdict.Message}");
        }

        return verdict;
    }

    private static void Roll(Observed observed, List<VersionStatus> versions, VersionStatus target, IReadOnlyList<UploadedVersion> uploads,
        List<LineAction> actions, Conditions conditions, DateTimeOffset now, ref DateTimeOffset? nextLook)
    {
        var model = observed.Model;
        var serving = versions.FindLast(v => v.State == VersionState.Serving);
        var current = observed.Service?.Metadata.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation);
        if (target.State == VersionState.Warming)
        {
            conditions.Set("RevisionReady", serving is not null, "WaitingForWarmth", $"version {target.Name} is not warm yet");
            return;
        }

        if (target.State == VersionState.Serving)
        {
            // A refused newer version keeps its revision at 0 %: traffic stays where it is, without another cold start.
            var refused = versions.Find(v => v.State == VersionState.Refused && v.Digest == current);
            var kept = refused ?? target;
            EnsureService(observed, actions, kept, refused is null ? null : 0, stopped: false);
            conditions.Set("RevisionReady", true, refused is null ? "RevisionReady" : "NewerVersionRefused", refused is null ? $"revision {target.Revision}" : $"version {refused.Name}: {refused.Message}");
            return;
        }

        // Warm: make the revision without traffic, when there is a version that can keep it.
        target.RolloutStartedAt ??= Conditions.Seconds(now);
        int? canary = serving is null ? null : 0;
        var component = observed.Service?.Status?.Components?.GetValueOrDefault("predictor");
        var revision = observed.Revision is { } r && r.Metadata.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation) == target.Digest ? r : null;
        var readiness = revision?.Status?.Conditions?.Find(c => c.Type == "Ready");
        target.Revision = revision?.Metadata.Name ?? target.Revision;
        var limit = target.RolloutStartedAt.Value.AddSeconds(model.Spec!.Rollout.ReadyTimeoutSeconds);
        if (readiness?.Status == "False")
        {
            Refuse(observed, versions, target, actions, conditions, canary, $"revision {revision!.Metadata.Name} failed: {readiness.Reason} {readiness.Message}".TrimEnd());
            return;
        }

        if (readiness?.Status != "True" || component?.LatestReadyRevision != revision!.Metadata.Name)
        {
            if (now >= limit)
            {
                Refuse(observed, versions, target, actions, conditions, canary, $"no revision was Ready within {model.Spec.Rollout.ReadyTimeoutSeconds} s (spec.rollout.readyTimeoutSeconds)");
                return;
            }

            nextLook = Earlier(nextLook, limit);
            EnsureService(observed, actions, target, canary, stopped: false);
            conditions.Set("RevisionReady", false, "RevisionNotReady", $"version {target.Name}: revision {component?.LatestCreatedRevision ?? "not made yet"} is not Ready yet");
            return;
        }

        conditions.Set("RevisionReady", true, "RevisionReady", $"version {target.Name}: revision {revision.Metadata.Name}");
        var golden = uploads.FirstOrDefault(u => u.Name == target.Name)?.GoldenKey;
        target.Golden ??= golden is null ? "None" : null;
        if (target.Golden is null)
        {
            EnsureService(observed, actions, target, canary, stopped: false);
            var url = serving is null ? observed.Service?.Status?.Url : component!.Traffic?.Find(t => t.RevisionName == revision.Metadata.Name && t.Tag is { Length: > 0 })?.Url;
            if (url is not null)
            {
                actions.Add(new LineAction.Prove(target.Name, url, golden!));
            }

            return;
        }

        if (target.Golden != "Passed" && target.Golden != "None")
        {
            Refuse(observed, versions, target, actions, conditions, canary, $"golden prediction failed: {target.Message}");
            return;
        }

        // Proven: all traffic.
        EnsureService(observed, actions, target, null, stopped: false);
        if (component!.Traffic?.Exists(t => t.RevisionName == revision.Metadata.Name && t.Percent == 100) == true)
        {
            if (serving is not null)
            {
                serving.State = VersionState.Retired;
                serving.Message = $"replaced by {target.Name}";
            }

            target.State = VersionState.Serving;
            target.ServingSince = Conditions.Seconds(now);
            target.Message = target.Golden == "None" ? "no golden.jsonl: readiness only" : "golden predictions passed";
        }
    }

    private static void Refuse(Observed observed, List<VersionStatus> versions, VersionStatus target, List<LineAction> actions, Conditions conditions, int? canary, string message)
    {
        target.State = VersionState.Refused;
        target.Message = message;
        conditions.Set("RevisionReady", false, "VersionRefused", $"version {target.Name}: {message}");
        EnsureService(observed, actions, target, canary, stopped: !versions.Exists(v => v.State == VersionState.Serving));
    }

    /// <summary>With nothing served before, a refused version's service is stopped: there is no revision to keep the traffic.</summary>
    private static void StopRefused(Observed observed, List<VersionStatus> versions, List<LineAction> actions)
    {
        var current = observed.Service?.Metadata.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation);
        if (current is not null && versions.Find(v => v.Digest == current && v.State == VersionState.Refused) is { Dataset: not null } refused)
        {
            EnsureService(observed, actions, refused, null, stopped: true);
        }
    }

    private static void EnsureService(Observed observed, List<LineAction> actions, VersionStatus version, int? canary, bool stopped)
    {
        var desired = ServingObjects.Service(observed.Model, version.Name, version.Digest!, version.Dataset!, canary, stopped);
        var service = observed.Service;
        // What we owned and no longer want is invisible to a subset comparison: look at it by name.
        var left = service is not null
            && ((canary is null && service.Spec?.Predictor?["canaryTrafficPercent"] is not null)
                || (!stopped && service.Metadata.Annotations?.ContainsKey(ServingObjects.StopAnnotation) == true));
        if (left)
        {
            actions.Add(new LineAction.ApplyService(desired));
            return;
        }

        Ensure(actions, service, desired, s => new LineAction.ApplyService(s), ServingJsonContext.Default.InferenceService);
    }

    private static void Ensure<T>(List<LineAction> actions, T? observed, T desired, Func<T, LineAction> apply, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> json)
        where T : class
    {
        if (observed is null || !JsonSubset.Covers(observed, desired, json))
        {
            actions.Add(apply(desired));
        }
    }

    private static void LetGo(Observed observed, List<VersionStatus> versions, VersionStatus? target, List<LineAction> actions)
    {
        var current = observed.Service?.Metadata.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation);
        var kept = versions.Where(v => v.ServingSince is not null).Reverse().Take(Math.Max(1, observed.Model.Spec!.Cache.KeepVersions)).Select(v => v.Digest)
            .Append(target?.Digest).Append(current).Concat(versions.Where(v => v.State == VersionState.Serving).Select(v => v.Digest))
            .OfType<string>().ToHashSet(StringComparer.Ordinal);
        foreach (var dataset in observed.Datasets.Where(d => Dead(d.Metadata)))
        {
            actions.AddRange(observed.Loads.Where(l => l.Spec?.Dataset?.Name == dataset.Metadata.Name && Ownership.Owns(observed.Model, l.Metadata))
                .Select(l => new LineAction.DeleteLoad(l.Metadata.Name!, l.Metadata.Uid)));
            actions.Add(new LineAction.DeleteDataset(dataset.Metadata.Name!, dataset.Metadata.Uid));
        }

        foreach (var runtime in observed.Runtimes.Where(r => Dead(r.Metadata)))
        {
            actions.Add(new LineAction.DeleteRuntime(runtime.Metadata.Name!, runtime.Metadata.Uid));
        }

        foreach (var version in versions.Where(v => v.Dataset is not null && !kept.Contains(v.Digest!)))
        {
            version.Dataset = null;
            version.DataLoad = null;
        }

        bool Dead(Kubernetes.ObjectMeta meta) => Ownership.Owns(observed.Model, meta) && meta.DeletionTimestamp is null
            && meta.Annotations?.GetValueOrDefault(Ownership.DigestAnnotation) is { } digest && !kept.Contains(digest);
    }

    private static LinePlan Delete(Observed observed, CachedModelStatus before, Conditions conditions)
    {
        var model = observed.Model;
        List<LineAction> Mine<T>(IEnumerable<T> items, Func<T, Kubernetes.ObjectMeta> meta, Func<Kubernetes.ObjectMeta, LineAction> delete) =>
            [.. items.Select(meta).Where(m => Ownership.Owns(model, m)).Select(delete)];

        // The tutorial's order: InferenceService, DataLoad, Dataset, JindoRuntime; the next kind only when the one before is gone.
        List<LineAction>[] stages =
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
            ? stages[stage]
            : model.Metadata.Finalizers?.Contains(Ownership.Finalizer) == true ? [new LineAction.Finalize(Present: false)] : [];
        return new(actions, Status(before, model, "Deleting", conditions, before.Versions, null));
    }

    private static CachedModelStatus Status(CachedModelStatus before, CachedModel model, string phase, Conditions conditions, List<VersionStatus>? versions, DateTimeOffset? nextLook) => new()
    {
        Phase = phase,
        ObservedGeneration = model.Metadata.Generation,
        Conditions = conditions.Build(),
        Versions = versions,
        Version = before.Version,
        Cached = before.Cached,
        Warmth = before.Warmth,
        Traffic = before.Traffic,
        Url = before.Url,
        NextLook = nextLook is { } at ? Conditions.Seconds(at.AddSeconds(1)) : null,
    };

    private static string Phase(List<VersionStatus> versions, VersionStatus? target) => target?.State switch
    {
        VersionState.Complete or VersionState.Warming => "Warming",
        VersionState.Warm => "RollingOut",
        VersionState.Serving => "Serving",
        _ when versions.Exists(v => v.State == VersionState.Serving) => "Serving",
        _ when versions.Exists(v => v.State == VersionState.Uploading) => "Uploading",
        _ when versions.Exists(v => v.State == VersionState.Refused) => "Blocked",
        _ => "Waiting",
    };

    private static string Waiting(List<VersionStatus> versions, VersionStatus? target, UploadFailure? failure) =>
        failure?.Message
        ?? target?.State switch
        {
            VersionState.Warming => $"version {target.Name} is being cached",
            VersionState.Warm => $"version {target.Name} is being rolled out",
            VersionState.Serving => "the InferenceService is not Ready",
            _ => versions.LastOrDefault() is { } last ? $"version {last.Name}: {last.Message}" : "waiting for an upload",
        };

    private static string? Traffic(Observed observed, List<VersionStatus> versions)
    {
        var targets = observed.Service?.Status?.Components?.GetValueOrDefault("predictor")?.Traffic;
        return targets is null or [] ? null : string.Join(", ", targets.Where(t => t.Percent > 0)
            .Select(t => $"{versions.Find(v => v.Revision == t.RevisionName)?.Name ?? t.RevisionName} {t.Percent}%"));
    }

    private static DateTimeOffset Earlier(DateTimeOffset? a, DateTimeOffset b) => a is { } at && at < b ? at : b;
}
