using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>What the listing says about the versions.</summary>
internal static class UploadStage
{
    /// <summary>The versions as the listing has them now; after a listing that failed, as they were.</summary>
    public static (List<VersionStatus> Versions, List<VersionStatus> Overwritten) Read(Observed observed)
    {
        var before = observed.Model.Status?.Versions ?? [];
        return observed.Uploads is { Failure: null } listed
            ? VersionLedger.Update(before, listed.Versions, observed.Upload)
            : ([.. before.Select(v => v.Copy())], []);
    }

    public static void Say(LinePass pass, VersionStatus? target, List<VersionStatus> overwritten)
    {
        var conditions = pass.Conditions;
        var failure = pass.Observed.Uploads?.Failure;
        var waiting = pass.Uploads.Where(u => !u.Complete && StateOf(pass, u) is null or VersionState.Uploading or VersionState.Refused).OrderBy(u => u.LastChange).ToList();
        // What nobody goes on with does not speak for the model while something else is there.
        var told = waiting.FindLast(u => !(u.Stalled || u.Refused) || target is null || u.LastChange > target.CompletedAt);
        if (failure is not null)
        {
            conditions.Set("UploadComplete", null, failure.Reason, failure.Message);
        }
        else if (told is not null)
        {
            conditions.Set("UploadComplete", false, told.Reason, $"version {told.Name}: {told.Message}");
        }
        else if (target is not null)
        {
            var upload = pass.Upload(target);
            // The same files put again may make the listing look unquiet once more; the version stays as complete as it was.
            conditions.SetOnce("UploadComplete", true, upload is { Complete: true } ? upload.Reason : "Complete", $"version {target.Name}: {target.Files} files, {ByteSize.Format(target.Bytes ?? 0)}");
        }
        else
        {
            conditions.Set("UploadComplete", false, "NoFiles", "nothing is uploaded below spec.source.uri yet");
        }

        SayStalled(pass, target, [.. waiting.Where(u => u.Stalled).Reverse()]);
        if (overwritten.Count > 0)
        {
            conditions.Set("OverwrittenInPlace", true, "FilesChanged", WayOut(pass, overwritten));
        }

        if (pass.Observed.Uploads is { Beside: { Count: > 0 } beside })
        {
            conditions.Set("StrayObjects", true, "BesideTheFolders",
                $"in no folder, and so of no version: {ObjectKeys.List(beside)}; delete them or put them into a folder, or, if all files together are to be one version, set spec.source.versions: Flat");
        }

        pass.LookAt(waiting.Min(u => u.NextLook));
    }

    private static string? StateOf(LinePass pass, UploadedVersion upload) => pass.Versions.Find(v => v.Name == upload.Name)?.State;

    private static void SayStalled(LinePass pass, VersionStatus? target, List<UploadedVersion> stalled)
    {
        var limit = Math.Max(1, pass.Model.Spec!.Source.Complete.StalledAfterMinutes);
        var left = target is null ? null : pass.Upload(target);
        if (stalled.Count > 0)
        {
            pass.Conditions.Set("Stalled", true, "UploadStalled", string.Join("; ", stalled.Select(u => $"version {u.Name}, nothing new for {limit} min: {u.Message}")));
        }
        else if (left is { Complete: true, Abandoned.Count: > 0 })
        {
            pass.Conditions.Set("Stalled", true, "MultipartAbandoned",
                $"version {left.Name} goes on without multipart uploads of which nothing came for {limit} min: {ObjectKeys.List(left.Abandoned)}; abort them, or upload these files whole in a new version");
        }
    }

    private static string WayOut(LinePass pass, List<VersionStatus> overwritten)
    {
        var prefixes = string.Join(", ", overwritten.Select(v => $"{v.Name} ({pass.Upload(v)?.Prefix})"));
        var way = overwritten.Exists(v => v.Name == UploadPlanner.FlatName)
            ? $"put the old files back, or upload the new ones to a folder of their own below {pass.Model.Spec!.Source.Uri} and set spec.source.versions: Folders"
            : "put the old files back, or upload to a new folder";
        return $"files of version {prefixes} changed after it was served; what serves may be mixed, and it is not rolled out over itself: {way}";
    }
}
