using System.Text.Json;
using System.Text.Json.Nodes;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// The decision of the whole line, without I/O:
/// 1. a deleted model is taken apart in the tutorial's order; one with a version in a state that only a newer release knows is left to that;
/// 2. a spec that cannot work is said, and nothing is made;
/// 3. the listing updates the versions; a paused model goes no further;
/// 4. the newest completed version, or the one that a person asks for, is the target;
/// 5. the target's Dataset, JindoRuntime and DataLoad are made, and its warmth is judged;
/// 6. once warm, its revision is made without traffic, asked its golden questions, and given the traffic;
/// 7. caches that nothing needs any more are let go.
/// </summary>
internal static class LinePlanner
{
    private const int MaxSteps = 8;

    /// <summary>Plans until the status stands still, so that one observation is used up in one pass and a second pass writes nothing.</summary>
    public static LinePlan Settle(Observed observed, DateTimeOffset now)
    {
        // Of spec and cluster, which stay as they are while the status moves.
        var faults = observed.Model.Metadata.DeletionTimestamp is null ? Faults(observed) : [];
        var plan = Plan(observed, faults, now);
        if (Same(plan.Status, observed.Model.Status))
        {
            // Planning once more would start from the very same: what nearly every look finds.
            return plan;
        }

        for (var step = 1; step < MaxSteps; step++)
        {
            var next = Plan(observed.WithStatus(plan.Status), faults, now);
            if (Same(next.Status, plan.Status))
            {
                return next;
            }

            plan = next;
        }

        return plan;
    }

    /// <summary>Whether two statuses say the same.</summary>
    public static bool Same(CachedModelStatus? a, CachedModelStatus? b)
    {
        if (Alike(a, b))
        {
            return true;
        }

        if (Differ(a?.Versions, b?.Versions) || Differ(a?.Conditions, b?.Conditions))
        {
            return false;
        }

        var (one, other) = (Bytes(a), Bytes(b));
        // The same in another order is as long.
        return one.AsSpan().SequenceEqual(other) || (one.Length == other.Length && JsonNode.DeepEquals(JsonNode.Parse(one), JsonNode.Parse(other)));
    }

    /// <summary>The usual case of <see cref="Same"/> without a text of either: false says nothing.</summary>
    private static bool Alike(CachedModelStatus? a, CachedModelStatus? b) =>
        a is not null && b is not null && Alike(a.Conditions, b.Conditions) && Alike(a.Versions, b.Versions)
        // The lists are the same; parts with a writer of their own are not ours to compare.
        && a with { Conditions = b.Conditions, Versions = b.Versions, Activation = b.Activation, Reads = b.Reads, Prewarm = b.Prewarm } == b;

    private static bool Alike<T>(List<T>? a, List<T>? b) => a is null || b is null ? a == b : a.SequenceEqual(b);

    /// <summary>The other usual case: something has changed in a list. False says nothing, because equal texts may be read into unequal objects (<see cref="VersionStatus.Newer"/>).</summary>
    private static bool Differ(List<VersionStatus>? a, List<VersionStatus>? b) => a is not null && b is not null
        && (a.Count != b.Count || a.Where((version, i) => version != b[i] && version with { Newer = b[i].Newer } != b[i]).Any());

    private static bool Differ(List<ModelCondition>? a, List<ModelCondition>? b) => a is not null && b is not null && !a.SequenceEqual(b);

    private static LinePlan Plan(Observed observed, IReadOnlyList<SpecFault> faults, DateTimeOffset now)
    {
        var model = observed.Model;
        var before = model.Status ?? new();
        var conditions = new Conditions(before.Conditions ?? [], model.Metadata.Generation, now);

        // 1
        if (model.Metadata.DeletionTimestamp is not null)
        {
            return CleanupStage.Delete(observed, before, conditions);
        }

        if (before.Versions?.Exists(v => !VersionState.Known(v.State)) == true)
        {
            return new([], before);
        }

        // 2
        if (faults.Count > 0)
        {
            return Invalid(model, before, conditions, faults);
        }

        // 3
        var (versions, overwritten) = UploadStage.Read(observed);
        var pass = new LinePass(observed, versions, conditions, now);
        if (VersionChoice.Paused(model))
        {
            return Paused(pass, before, overwritten);
        }

        if (model.Metadata.Finalizers?.Contains(Ownership.Finalizer) != true)
        {
            pass.Actions.Add(new LineAction.Finalize(Present: true));
        }

        // 4
        var (target, handled) = VersionChoice.Choose(pass);
        UploadStage.Say(pass, target, overwritten);

        // 5, 6
        var verdict = new WarmthVerdict(Warmth.Unknown, "NoVersion", "no complete version yet", 0);
        var fault = target is null ? null : TooSmall(pass, target);
        if (fault is not null)
        {
            verdict = new(Warmth.Unknown, fault.Reason, fault.Message, 0);
            conditions.Set("Invalid", true, fault.Reason, fault.Message);
            foreach (var type in (string[])["CacheReady", "CacheWarm", "RevisionReady"])
            {
                conditions.Set(type, false, fault.Reason, fault.Message);
            }
        }
        else if (target is not null)
        {
            verdict = WarmStage.Plan(pass, target);
            RolloutStage.Plan(pass, target);
        }
        else
        {
            foreach (var type in (string[])["CacheReady", "CacheWarm", "RevisionReady"])
            {
                conditions.Set(type, false, "NoVersion", verdict.Message);
            }

            RolloutStage.StopRefused(pass);
        }

        WarmStage.Keep(pass, target);
        WarmStage.SayUnproven(pass, target);

        // 7
        CleanupStage.LetGo(pass, target);
        return new(pass.Actions, Status(pass, before, target, handled, verdict, fault));
    }

    private static IReadOnlyList<SpecFault> Faults(Observed observed) => SpecChecks.Of(observed.Model) is { Count: > 0 } faults ? faults : ClusterChecks.Of(observed);

    /// <summary>Says what is wrong and makes nothing; what serves goes on as it is. The next look judges a repaired spec anew.</summary>
    private static LinePlan Invalid(CachedModel model, CachedModelStatus before, Conditions conditions, IReadOnlyList<SpecFault> faults)
    {
        var (reason, message) = SpecFault.Sum(faults);
        conditions.Set("Invalid", true, reason, message);
        if (reason == ClusterChecks.DatasetMissing)
        {
            conditions.Set("CacheReady", false, reason, message);
        }

        var serving = before.Versions?.FindLast(v => v.State == VersionState.Serving);
        conditions.Set("Ready", false, reason, serving is null ? message : $"{message}; version {serving.Name} goes on serving as it is");
        conditions.KeepOthers();
        var status = LineSummary.Status(before, model, "Blocked", conditions, before.Versions, null);
        status.Source = faults.Any(f => f.Reason == ClusterChecks.PrefixClaimed) ? null : before.Source;
        return new([], status);
    }

    /// <summary>A cache that is made for the target and can never hold it; what is warm already stays.</summary>
    private static SpecFault? TooSmall(LinePass pass, VersionStatus target) =>
        target.State is VersionState.Complete or VersionState.Warming && pass.Model.Spec!.Cache.ExistingDataset is null && !pass.Adopted(target)
            ? SpecChecks.TooSmall(pass.Model, target)
            : null;

    /// <summary>Looks on: what is uploaded is noted, nothing is made, moved or refused, and no clock runs.</summary>
    private static LinePlan Paused(LinePass pass, CachedModelStatus before, List<VersionStatus> overwritten)
    {
        pass.Conditions.Set("Paused", true, "PausedByAnnotation", $"{VersionChoice.PausedAnnotation} is true: nothing is made or moved until it is removed");
        UploadStage.Say(pass, pass.Versions.FindLast(v => v.CompletedAt is not null), overwritten);
        pass.Conditions.KeepOthers();
        VersionChoice.Forget(pass, null);
        foreach (var version in pass.Versions.Where(v => v.State == VersionState.Warm))
        {
            version.RolloutStartedAt = null;
        }

        var status = LineSummary.Status(before, pass.Model, before.Phase ?? "Waiting", pass.Conditions, pass.Versions, pass.NextLook);
        status.Source = pass.Model.Location()!.Uri;
        return new([], status);
    }

    private static CachedModelStatus Status(LinePass pass, CachedModelStatus before, VersionStatus? target, HandledRequests? handled, WarmthVerdict verdict, SpecFault? fault)
    {
        var (observed, model, versions) = (pass.Observed, pass.Model, pass.Versions);
        var failure = observed.Uploads?.Failure;
        var serving = pass.Serving;
        pass.Conditions.Set("Serving", serving is not null, serving is null ? "NothingServed" : "VersionServed",
            serving is null ? "no version has taken traffic yet" : $"version {serving.Name} serves since {serving.ServingSince:u}");
        var ready = serving is not null && observed.Service?.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status == "True";
        var phase = LineSummary.Phase(versions, target);
        if (fault is not null)
        {
            pass.Conditions.Set("Ready", false, fault.Reason, serving is null ? fault.Message : $"{fault.Message}; version {serving.Name} goes on serving");
        }
        else
        {
            pass.Conditions.Set("Ready", ready, ready ? "Serving" : phase, ready ? $"version {serving!.Name} serves" : LineSummary.Waiting(versions, target, failure));
        }

        var status = LineSummary.Status(before, model, fault is not null || failure is { Transient: false } ? "Blocked" : phase, pass.Conditions, versions, pass.NextLook);
        status.Source = model.Location()!.Uri;
        status.Version = serving?.Name;
        status.Url = observed.Service?.Status?.Url;
        status.Warmth = verdict.Warmth.ToString();
        status.Cached = target is null ? null : $"{ByteSize.Format(verdict.CachedBytes)}/{ByteSize.Format((double)(target.Bytes ?? 0) * WarmObjects.Copies(model, target))}";
        status.Traffic = LineSummary.Traffic(observed, versions);
        status.Locality = LineSummary.Locality(pass, target);
        status.Handled = handled;
        return status;
    }

    private static byte[] Bytes(CachedModelStatus? status) =>
        JsonSerializer.SerializeToUtf8Bytes(new CachedModel { Status = status }, CatalogKinds.CachedModels.Json);
}
