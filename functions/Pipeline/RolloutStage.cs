using Prewarm.Functions.Catalog;
using Prewarm.Functions.Rollout;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Gives a warm version the traffic, and keeps the InferenceService as it has to be until then:
/// 1. its revision is made without traffic, when there is a version that can keep it;
/// 2. a revision that fails or is late refuses the version;
/// 3. so does a golden question that is answered wrong, or that nobody answers for as long as a revision may take to be ready;
/// 4. proven: all traffic, and the version before retires.
/// </summary>
internal static class RolloutStage
{
    public static void Plan(LinePass pass, VersionStatus target)
    {
        var serving = pass.Serving;
        Relax(pass, target);
        if (serving is not null && serving != target)
        {
            Relax(pass, serving);
        }

        if ((target.Relaxed == true ? target : serving is { Relaxed: true } ? serving : null) is { } relaxed)
        {
            pass.Conditions.Set("PlacementRelaxed", true, "NoRoomByTheCache", $"version {relaxed.Name}: a pod found no node with the cache for {pass.Model.Spec!.Serving.AffinityTimeoutSeconds} s, so its pods may run on others (affinity preferred) and read over the network");
        }

        switch (target.State)
        {
            case VersionState.Warming:
                Hold(pass, serving);
                pass.Conditions.Set("RevisionReady", serving is not null, "WaitingForWarmth", $"version {target.Name} is not warm yet");
                break;
            case VersionState.Serving:
                Keep(pass, target);
                break;
            default:
                Roll(pass, target, serving);
                break;
        }
    }

    /// <summary>With nothing served before, a refused version's service is stopped: there is no revision to keep the traffic.</summary>
    public static void StopRefused(LinePass pass)
    {
        var current = pass.Current;
        if (current is not null && pass.Versions.Find(v => v.Digest == current && v.State == VersionState.Refused) is { Dataset: not null } refused)
        {
            EnsureService(pass, refused, null, stopped: true);
        }
    }

    /// <summary>A pod that may only run where the cache is, and finds no place there for long, may run anywhere: slowly is better than not at all. Its Revision is made anew for that.</summary>
    private static void Relax(LinePass pass, VersionStatus version)
    {
        var spec = pass.Model.Spec!.Serving;
        if (spec.Affinity != "required" || spec.Platform == "ACKServerless")
        {
            version.Relaxed = null;
            return;
        }

        if (version.Relaxed != true && version.Revision is { } revision && pass.Observed.Unplaced.TryGetValue(revision, out var since))
        {
            var limit = since.AddSeconds(spec.AffinityTimeoutSeconds);
            if (pass.Now < limit)
            {
                pass.LookAt(limit);
                return;
            }

            version.Relaxed = true;
            version.Attempt = (version.Attempt ?? 0) + 1;
        }
    }

    /// <summary>The Revision failed for want of a node by the cache (Knative says Unschedulable at once): the time to relax that has not come yet.</summary>
    private static bool Waits(LinePass pass, VersionStatus version, Revision revision) =>
        pass.Model.Spec!.Serving is { Affinity: "required", Platform: not "ACKServerless" } && version.Relaxed != true && pass.Observed.Unplaced.ContainsKey(revision.Metadata.Name!);

    /// <summary>While the next version warms, the service stays as it is: somebody may have edited or deleted it.</summary>
    private static void Hold(LinePass pass, VersionStatus? serving)
    {
        if (serving is null)
        {
            return;
        }

        // A version between the two keeps its revision at 0 %: to go back would be another cold start.
        var between = pass.Versions.Find(v => v.Digest == pass.Current && v != serving && v.Dataset is not null);
        EnsureService(pass, between ?? serving, between is null ? null : 0, stopped: false);
    }

    private static void Keep(LinePass pass, VersionStatus target)
    {
        if (pass.Observed.Revision is { } made && IsOf(made, target) && made.Metadata.Name != target.Revision)
        {
            // Another one than before when the predictor was edited, or the service deleted and made again. It has the traffic already: nothing may be claimed that was not asked.
            (target.Golden, target.Message) = target is { Golden: "Passed", Revision: not null }
                ? ("Unasked", $"revision {made.Metadata.Name} came after the golden predictions had passed, and was not asked them") : (target.Golden, target.Message);
            target.Revision = made.Metadata.Name;
        }

        // A refused newer version keeps its revision at 0 %: traffic stays where it is, without another cold start.
        var refused = pass.Versions.Find(v => v.State == VersionState.Refused && v.Withdrawn != true && v.Dataset is not null && v.Digest == pass.Current);
        EnsureService(pass, refused ?? target, refused is null ? null : 0, stopped: false);
        pass.Conditions.Set("RevisionReady", true, refused is null ? "RevisionReady" : "NewerVersionRefused", refused is null ? $"revision {target.Revision}{(target.Golden == "Unasked" ? ", which was not asked the golden questions" : "")}" : $"version {refused.Name}: {refused.Message}");
    }

    private static void Roll(LinePass pass, VersionStatus target, VersionStatus? serving)
    {
        // 1
        var observed = pass.Observed;
        var component = observed.Service?.Status?.Components?.GetValueOrDefault("predictor");
        if (serving is not null && component?.LatestRolledoutRevision is not { Length: > 0 })
        {
            // KServe gives all traffic to the newest revision, whatever its share says, while none is rolled out (ksvc_reconciler.go): first the version that serves has to be back.
            target.RolloutStartedAt = null;
            EnsureService(pass, serving, null, stopped: false);
            pass.Conditions.Set("RevisionReady", false, "ServiceRestored", $"the InferenceService was deleted: version {serving.Name} gets it back before version {target.Name} gets a revision");
            return;
        }

        target.RolloutStartedAt ??= Conditions.Seconds(pass.Now);
        int? canary = serving is null ? null : 0;
        var revision = observed.Revision is { } r && IsOf(r, target) ? r : null;
        var readiness = revision?.Status?.Conditions?.Find(c => c.Type == "Ready");
        target.Revision = revision?.Metadata.Name ?? target.Revision;

        // 2
        if (readiness?.Status == "False" && !Waits(pass, target, revision!))
        {
            Refuse(pass, target, canary, $"revision {revision!.Metadata.Name} failed: {readiness.Reason} {readiness.Message}".TrimEnd());
            return;
        }

        if (readiness?.Status != "True" || component?.LatestReadyRevision != revision!.Metadata.Name)
        {
            var patience = pass.Model.Spec!.Rollout.ReadyTimeoutSeconds;
            var limit = target.RolloutStartedAt.Value.AddSeconds(patience);
            if (pass.Now >= limit)
            {
                Refuse(pass, target, canary, $"no revision was Ready within {patience} s (spec.rollout.readyTimeoutSeconds)");
                return;
            }

            pass.LookAt(limit);
            EnsureService(pass, target, canary, stopped: false);
            pass.Conditions.Set("RevisionReady", false, "RevisionNotReady", $"version {target.Name}: {(revision is null ? "its revision is not made yet" : $"revision {revision.Metadata.Name} is not Ready yet")}");
            return;
        }

        // 3
        if (target.GoldenRetryAt is { } again)
        {
            var patience = pass.Model.Spec!.Rollout.ReadyTimeoutSeconds;
            // A pause sets the clock of the rollout anew.
            var limit = Later(target.RolloutStartedAt.Value, readiness.LastTransitionTime).AddSeconds(patience);
            if (pass.Now >= limit)
            {
                Refuse(pass, target, canary, $"golden predictions had no answer within {patience} s of a revision that was Ready (spec.rollout.readyTimeoutSeconds): {target.Message}");
                return;
            }

            if (pass.Now < again)
            {
                pass.LookAt(again < limit ? again : limit);
                EnsureService(pass, target, canary, stopped: false);
                pass.Conditions.Set("RevisionReady", true, "GoldenUnanswered", $"version {target.Name}: revision {revision.Metadata.Name}, asked again at {again:u}: {target.Message}");
                return;
            }
        }

        pass.Conditions.Set("RevisionReady", true, "RevisionReady", $"version {target.Name}: revision {revision.Metadata.Name}");
        if (!pass.Listed && target.ServingSince is null)
        {
            // Whether its files are still those that were loaded, and whether it has golden questions, only a listing tells: no traffic before there is one.
            return;
        }

        var golden = pass.Upload(target)?.GoldenKey;
        target.Golden ??= golden is null ? "None" : null;
        if (target.Golden is null)
        {
            EnsureService(pass, target, canary, stopped: false);
            var url = serving is null ? observed.Service?.Status?.Url : component!.Traffic?.Find(t => t.RevisionName == revision.Metadata.Name && t.Tag is { Length: > 0 })?.Url;
            if (url is not null)
            {
                pass.Actions.Add(new LineAction.Prove(target.Name, url, golden!));
            }

            return;
        }

        if (target.Golden != "Passed" && target.Golden != "None")
        {
            Refuse(pass, target, canary, $"golden prediction failed: {target.Message}");
            return;
        }

        // 4
        EnsureService(pass, target, null, stopped: false);
        if (component!.Traffic?.Exists(t => t.RevisionName == revision.Metadata.Name && t.Percent == 100) == true)
        {
            TakeOver(pass, target, serving);
        }
    }

    private static void TakeOver(LinePass pass, VersionStatus target, VersionStatus? serving)
    {
        if (serving is not null)
        {
            serving.State = serving.Withdrawn == true ? VersionState.Refused : VersionState.Retired;
            serving.Message = serving.Withdrawn == true ? $"rolled back to {target.Name}" : $"replaced by {target.Name}";
        }

        target.State = VersionState.Serving;
        target.ServingSince = Conditions.Seconds(pass.Now);
        target.Message = target.Golden == "None" ? "no golden.jsonl: readiness only" : "golden predictions passed";
    }

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset? b) => b > a ? b.Value : a;

    private static bool IsOf(Revision revision, VersionStatus version)
    {
        var annotations = revision.Metadata.Annotations;
        return annotations?.GetValueOrDefault(Ownership.DigestAnnotation) == version.Digest
            && annotations?.GetValueOrDefault(ServingObjects.AttemptAnnotation) == version.Attempt?.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private static void Refuse(LinePass pass, VersionStatus target, int? canary, string message)
    {
        target.State = VersionState.Refused;
        target.Message = message;
        pass.Conditions.Set("RevisionReady", false, "VersionRefused", $"version {target.Name}: {message}");
        EnsureService(pass, target, canary, stopped: pass.Serving is null);
    }

    private static void EnsureService(LinePass pass, VersionStatus version, int? canary, bool stopped)
    {
        var desired = ServingObjects.Service(pass.Model, version, canary, stopped);
        var service = pass.Observed.Service;
        // What we owned and no longer want is invisible to a subset comparison: look at it by name.
        var left = service is not null
            && ((canary is null && ServingObjects.Shared(service))
                || (!stopped && service.Metadata.Annotations?.ContainsKey(ServingObjects.StopAnnotation) == true)
                || (version.Relaxed == true && service.Metadata.Labels?.ContainsKey(ServingObjects.Required(version.Dataset!)) == true)
                || (version.Attempt is null && service.Metadata.Annotations?.ContainsKey(ServingObjects.AttemptAnnotation) == true));
        if (left)
        {
            pass.Actions.Add(new LineAction.ApplyService(desired));
            return;
        }

        pass.Ensure(service, desired, s => new LineAction.ApplyService(s), ServingJsonContext.Default.InferenceService);
    }
}
