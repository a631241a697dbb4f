using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Which version the line works towards:
/// 1. <c>prewarm.dev/retry</c> gives a refused version another chance, once per value;
/// 2. <c>prewarm.dev/rollback</c> withdraws what serves in favour of one that served before, once per value; later uploads roll out as ever;
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
        if (rollback is not null)
        {
            SayRollback(pass, rollback, to);
        }

        // 3, 4
        var pin = Annotation(pass.Model, PinAnnotation);
        var target = pin is null ? Newest(pass.Versions) : Pinned(pass, pin);
        target ??= pass.Serving;
        Supersede(pass.Versions, target, pin is not null);
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
            ? pass.Versions.Where(v => v != serving && v.ServingSince is not null && v.State == VersionState.Retired && !Overwritten(pass, v)).MaxBy(v => v.ServingSince)
            : pass.Versions.FindLast(v => v.Name == wanted && v.State is not VersionState.Uploading);
        if (to is null || Overwritten(pass, to))
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

    private static void SayRollback(LinePass pass, string wanted, string? to)
    {
        var version = pass.Versions.FindLast(v => v.Name == to);
        if (version is null)
        {
            var there = pass.Versions.Exists(v => v.Name == wanted && Overwritten(pass, v));
            pass.Conditions.Set("RolledBack", false, there ? "VersionOverwritten" : "VersionUnknown",
                $"{RollbackAnnotation} is {wanted}: {(there ? "its files changed after it was served: put the old ones back, and set the annotation again" : "there is no such version to go back to")}");
        }
        else
        {
            var serves = version.State is VersionState.Serving or VersionState.Retired;
            pass.Conditions.Set("RolledBack", serves, serves ? "RolledBack" : version.State == VersionState.Refused ? "VersionRefused" : "RollingBack",
                $"to version {version.Name}{(version.State == VersionState.Refused ? $", which was refused: {version.Message}" : "")}");
        }
    }

    /// <summary>Files lie under its paths that it never had.</summary>
    private static bool Overwritten(LinePass pass, VersionStatus version) => version.ServingSince is not null && pass.Upload(version) is { } upload && upload.Digest != version.Digest;

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

    /// <summary>Newest wins, once: what completed before the target and does not serve is not worth warming any more. What a pin holds back waits.</summary>
    private static void Supersede(List<VersionStatus> versions, VersionStatus? target, bool pinned)
    {
        foreach (var version in versions)
        {
            if (target is null || version == target || version.State is not (VersionState.Complete or VersionState.Warming or VersionState.Warm))
            {
                continue;
            }

            if (!pinned || version.CompletedAt < target.CompletedAt)
            {
                version.State = VersionState.Retired;
                version.Message = $"superseded by {target.Name}";
            }
            else
            {
                version.State = VersionState.Complete;
                version.Message = $"held back by {PinAnnotation}";
                version.RolloutStartedAt = null;
            }
        }

        while (versions.Count > MaxVersions && versions.FindIndex(v => v != target && v.State is VersionState.Retired or VersionState.Refused) is >= 0 and var oldest)
        {
            versions.RemoveAt(oldest);
        }
    }

    private static string? Annotation(CachedModel model, string name) => model.Metadata.Annotations?.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
}
