using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>What the listing says about the versions.</summary>
internal static class UploadStage
{
    /// <summary>The versions as the listing has them now; after a listing that failed, as they were.</summary>
    public static (List<VersionStatus> Versions, List<string> Overwritten) Read(Observed observed)
    {
        var before = observed.Model.Status?.Versions ?? [];
        return observed.Uploads?.Failure is null
            ? VersionLedger.Update(before, observed.Uploads?.Versions ?? [], observed.Cause)
            : VersionLedger.Update(before, [.. before.Where(v => v.State == VersionState.Uploading).Select(Unseen)]);
    }

    public static void Say(LinePass pass, VersionStatus? target, List<string> overwritten)
    {
        var conditions = pass.Conditions;
        var failure = pass.Observed.Uploads?.Failure;
        var waiting = pass.Uploads.LastOrDefault(u => !u.Complete && pass.Versions.Exists(v => v.Name == u.Name && v.State is VersionState.Uploading or VersionState.Refused));
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
            conditions.Set("UploadComplete", true, pass.Upload(target)?.Reason ?? "Complete", $"version {target.Name}: {target.Files} files, {ByteSize.Format(target.Bytes ?? 0)}");
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

        pass.LookAt(pass.Uploads.Min(u => u.NextLook));
    }

    private static UploadedVersion Unseen(VersionStatus v) =>
        new(v.Name, "", v.Digest ?? "", v.Files ?? 0, v.Bytes ?? 0, false, "Unseen", v.Message ?? "", null, default, null);
}
