using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Which version the line works towards:
/// 1. <c>prewarm.dev/retry</c> gives a refused version another chance, once per value;
/// 2. <c>prewarm.dev/rollback</c> withdraws what serves in favour of one that served before, once per value; later uploads wait until that one serves, and then roll out as ever;
/// 3. <c>prewarm.dev/pin</c> holds to one version for as long as it is set;
/// 4. else the newest by completion that nobody refused, withdrew or superseded.
/// </summary>
internal static class VersionChoice
{
    public const string PausedAnnotation = "prewarm.dev/paused";
    public const string PinAnnotation = "prewarm.dev/pin";
    public const string RollbackAnnotation = "prewarm.dev/rollback";
    public const string RetryAnnotation = "prewarm.dev/retry";

    private const string Previous = "previous";
    private const int MinDigest = 8;
    private const int MaxVersions = 20;
    private const int MostVersions = 100;

    public static bool Paused(CachedModel model) => Annotation(model, PausedAnnotation) == "true";

    public static (VersionStatus? Target, HandledRequests? Handled) Choose(LinePass pass)
    {
        var before = pass.Model.Status?.Handled;
        // 1
        var retry = Annotation(pass.Model, RetryAnnotation);
        if (retry is { Length: >= MinDigest } && retry != before?.Retry && pass.Versions.Find(v => v.Digest?.StartsWith(retry, StringComparison.Ordinal) == true) is { } again)
        {
            TryAgain(pass, again);
        }

        // 2
        var rollback = Annotation(pass.Model, RollbackAnnotation);
        var to = rollback is null ? null : rollback == before?.Rollback ? before.RollbackTo : RollBack(pass, rollback);
        var goingBack = GoingBack(pass, to);
        if (rollback is not null)
        {
            SayRollback(pass, rollback, to);
        }

        // 3, 4
        var pin = Annotation(pass.Model, PinAnnotation);
        var target = pin is null ? goingBack ?? Newest(pass.Versions) : Pinned(pass, pin);
        target ??= pass.Serving;
        Supersede(pass.Versions, target, pin is not null ? $"held back by {PinAnnotation}" : goingBack is not null ? $"waits until {to} serves again" : null);
        Forget(pass, target);
        return (target, retry is null && rollback is null ? null : new() { Retry = retry, Rollback = rollback, RollbackTo = to });
    }

    private static VersionStatus? Newest(List<VersionStatus> versions) =>
        versions.FindLast(v => v.Withdrawn != true && v.State is not (VersionState.Uploading or VersionState.Refused or VersionState.Retired));

    private static VersionStatus? Pinned(LinePass pass, string pin)
    {
        var version = pass.Versions.FindLast(v => v.Name == pin);
        if (version is not null && version.State != VersionState.Serving && Overwritten(pass, version))
        {
            pass.Conditions.Set("Pinned", false, "VersionOverwritten",
                $"{PinAnnotation} is {pin}, whose files changed after it was served; what serves goes on, nothing else is rolled out: put the old files back, or remove the annotation");
            return pass.Serving;
        }

        if (version is null or { State: VersionState.Uploading or VersionState.Refused })
        {
            pass.Conditions.Set("Pinned", false, version is null ? "VersionUnknown" : "VersionNotUsable",
                $"{PinAnnotation} is {pin}, {(version is null ? "which is no version of this model" : $"which is {version.State}: {version.Message}")}; what serves goes on, nothing else is rolled out");
            return pass.Serving;
        }

        if (version.State == VersionState.Retired)
        {
            Revive(version, "pinned");
        }

        pass.Conditions.Set("Pinned", true, "VersionPinned", $"version {pin} is held by {PinAnnotation}; newer ones wait");
        return version;
    }

    /// <summary>Withdraws the version that serves and everything that completed after the one to go back to; returns that one's name.</summary>
    private static string? RollBack(LinePass pass, string wanted)
    {
        var serving = pass.Serving;
        var to = wanted == Previous
            ? pass.Versions.Where(v => v != serving && v.ServingSince is not null && v.State == VersionState.Retired && !Overwritten(pass, v) && !Gone(pass, v)).MaxBy(v => v.ServingSince)
            : pass.Versions.FindLast(v => v.Name == wanted && v.State is not VersionState.Uploading);
        if (to is null || Overwritten(pass, to) || Gone(pass, to))
        {
            return null;
        }

        foreach (var version in pass.Versions.Where(v => v != to && v.CompletedAt is not null && (v == serving || v.CompletedAt > to.CompletedAt)))
        {
            version.Withdrawn = true;
            if (version != serving)
            {
                version.State = VersionState.Refused;
                version.Message = $"rolled back to {to.Name}";
            }
        }

        if (to.State is not VersionState.Serving)
        {
            to.Withdrawn = null;
            Revive(to, "rolled back to");
        }

        return to.Name;
    }

    /// <summary>The version that is gone back to, until it serves; null: none is on its way back.</summary>
    private static VersionStatus? GoingBack(LinePass pass, string? to)
    {
        var version = to is null || pass.Serving is not { Withdrawn: true } ? null
            : pass.Versions.FindLast(v => v.Name == to && v.State is VersionState.Complete or VersionState.Warming or VersionState.Warm);
        if (version is null || !Gone(pass, version))
        {
            return version;
        }

        version.State = VersionState.Refused;
        version.Message = "its folder and its cache are gone";
        return null;
    }

    private static void SayRollback(LinePass pass, string wanted, string? to)
    {
        var version = pass.Versions.FindLast(v => v.Name == to);
        if (version is null)
        {
            var there = pass.Versions.FindLast(v => v.Name == wanted);
            var (reason, why) = there is null ? ("VersionUnknown", "there is no such version to go back to")
                : Overwritten(pass, there) ? ("VersionOverwritten", "its files changed after it was served: put the old ones back, and set the annotation again")
                : Gone(pass, there) ? ("VersionGone", "its folder and its cache are gone: put the files back, and set the annotation again")
                : ("VersionUnknown", "when that was set, there was no such version to go back to: set it again");
            pass.Conditions.Set("RolledBack", false, reason, $"{RollbackAnnotation} is {wanted}: {why}");
        }
        else
        {
            // One that was retired before its rollout ended has served before the rollback only.
            var served = version.State == VersionState.Serving || (version.State == VersionState.Retired && version.ServingSince >= version.RolloutStartedAt);
            var (reason, but) = version.State switch
            {
                _ when served => ("RolledBack", ""),
                VersionState.Refused => ("VersionRefused", $", which was refused: {version.Message}"),
                VersionState.Retired => ("Superseded", $", which has not served since: {version.Message}"),
                _ => ("RollingBack", ""),
            };
            pass.Conditions.Set("RolledBack", served, reason, $"to version {version.Name}{but}");
        }
    }

    /// <summary>Files lie under its paths that it never had.</summary>
    private static bool Overwritten(LinePass pass, VersionStatus version) => version.ServingSince is not null && pass.Upload(version) is { } upload && upload.Digest != version.Digest;

    /// <summary>There is nothing that could be loaded, nor anything loaded.</summary>
    private static bool Gone(LinePass pass, VersionStatus version) =>
        version.State != VersionState.Serving && pass.Listed && pass.Upload(version) is null && pass.DatasetOf(version) is null;

    private static void TryAgain(LinePass pass, VersionStatus version)
    {
        if (version is { State: VersionState.Refused, RolloutStartedAt: null, Withdrawn: not true })
        {
            // Refused for its files: they are judged again.
            version.State = VersionState.Uploading;
            version.CompletedAt = null;
        }
        else if (version.State == VersionState.Refused)
        {
            version.Withdrawn = null;
            version.Attempt = (version.Attempt ?? 0) + 1;
            Revive(version, "tried again");
        }
        else if (version is { State: VersionState.Warming, LoadFailures: > 0 })
        {
            version.LoadFailures = null;
            version.LoadRetryAt = Conditions.Seconds(pass.Now);
        }
    }

    private static void Revive(VersionStatus version, string why)
    {
        version.State = VersionState.Complete;
        version.Message = why;
        version.LoadedAt = null;
        version.RolloutStartedAt = null;
        version.Golden = null;
        version.GoldenRetryAt = null;
    }

    /// <summary>Newest wins, once: what completed before the target and does not serve is not worth warming any more.</summary>
    /// <param name="held">What is said of newer ones that a person holds back; null: nobody does.</param>
    private static void Supersede(List<VersionStatus> versions, VersionStatus? target, string? held)
    {
        foreach (var version in versions)
        {
            if (target is null || version == target || version.State is not (VersionState.Complete or VersionState.Warming or VersionState.Warm))
            {
                continue;
            }

            if (held is null || version.CompletedAt < target.CompletedAt)
            {
                version.State = VersionState.Retired;
                version.Message = $"superseded by {target.Name}";
            }
            else
            {
                version.State = VersionState.Complete;
                version.Message = held;
                version.RolloutStartedAt = null;
            }
        }
    }

    /// <summary>
    /// Bounds the list, oldest first. What is refused or withdrawn is remembered for as long as its folder is there: it would be loaded again, and again refused.
    /// <list type="bullet">
    /// <item>above 20 go those whose folder is gone, and retired ones that are older than what serves and of no use for a way back: seen again, they are superseded again;</item>
    /// <item>above 100 go those that every listing tells anew: on their way, held back, superseded by the target, or refused for their files;</item>
    /// <item>what is left above that has cost a rollout each, and keeps no texts: some 300 bytes.</item>
    /// </list>
    /// </summary>
    public static void Forget(LinePass pass, VersionStatus? target)
    {
        var versions = pass.Versions;
        if (versions.Count <= MaxVersions)
        {
            return;
        }

        var listed = pass.Uploads.Select(u => u.Name).ToHashSet(StringComparer.Ordinal);
        var since = pass.Serving?.CompletedAt;
        var back = versions.Where(v => v.ServingSince is not null).OrderByDescending(v => v.ServingSince).Take(Math.Max(2, pass.Model.Spec!.Cache.KeepVersions)).Select(v => v.Name)
            .Append(target?.Name).ToHashSet(StringComparer.Ordinal);
        Above(MaxVersions, v => v.State is VersionState.Retired or VersionState.Refused && pass.Listed && !listed.Contains(v.Name));
        Above(MaxVersions, v => v.State == VersionState.Retired && v.CompletedAt < since);
        Above(MostVersions, v => v is { State: VersionState.Uploading } or { State: VersionState.Refused, CompletedAt: null } or { State: VersionState.Complete, ServingSince: null }
            || (v is { State: VersionState.Retired, ServingSince: null } && v.CompletedAt < target?.CompletedAt));
        foreach (var version in versions.SkipLast(MostVersions).Where(v => v is { State: VersionState.Refused or VersionState.Retired, Dataset: null }))
        {
            (version.Message, version.Traceparent, version.Revision, version.Path) = (null, null, null, null);
        }

        void Above(int most, Predicate<VersionStatus> may)
        {
            var over = versions.Count - most;
            versions.RemoveAll(v => over > 0 && !back.Contains(v.Name) && may(v) && over-- > 0);
        }
    }

    private static string? Annotation(CachedModel model, string name) => model.Metadata.Annotations?.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
}
