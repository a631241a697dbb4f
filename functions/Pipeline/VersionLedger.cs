using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

internal static class VersionState
{
    public const string Uploading = "Uploading";
    public const string Complete = "Complete";
    public const string Warming = "Warming";
    public const string Warm = "Warm";
    public const string Serving = "Serving";
    public const string Retired = "Retired";
    public const string Refused = "Refused";

    /// <summary>False for a state of a release that is newer than this one.</summary>
    public static bool Known(string state) => state is Uploading or Complete or Warming or Warm or Serving or Retired or Refused;
}

/// <summary>Brings the versions of the status up to date with the listing.</summary>
internal static class VersionLedger
{
    /// <summary>
    /// Whether a listing is older than the status: another replica has listed since and found a version complete that this listing lacks or has otherwise.
    /// Acted upon, it would take back what is being loaded.
    /// </summary>
    public static bool Outdated(IReadOnlyList<VersionStatus> known, UploadObservation listed) => listed.Failure is null && known.Any(v =>
        v.State is VersionState.Complete or VersionState.Warming or VersionState.Warm && v.ServingSince is null && !listed.Versions.Any(u => u.Name == v.Name && u.Digest == v.Digest));

    /// <summary>
    /// Returns the versions as they are now, oldest completion first, and those whose files were changed in place after they were served. A version completes when the last
    /// of its files, or its marker, came to the store: not when somebody noticed, so that late or reordered looks change no order.
    /// </summary>
    /// <param name="cause">W3C traceparent of the event of the store that asked for this look: what it finds belongs to that event's trace.</param>
    public static (List<VersionStatus> Versions, List<VersionStatus> Overwritten) Update(
        IReadOnlyList<VersionStatus> before, IReadOnlyList<UploadedVersion> uploads, string? cause = null)
    {
        var versions = before.Select(v => v.Copy()).ToList();
        var overwritten = new List<VersionStatus>();
        foreach (var upload in uploads)
        {
            var entry = versions.Find(v => v.Name == upload.Name);
            if (entry is null)
            {
                versions.Add(entry = new() { Name = upload.Name });
            }
            else if (entry.Digest is { } digest && digest != upload.Digest)
            {
                if (entry.ServingSince is not null)
                {
                    // A revision reads these very paths: rolling it out over itself would serve a mixture. With its cache gone nobody goes back to it anyway.
                    if (entry.State == VersionState.Serving || entry.Dataset is not null)
                    {
                        overwritten.Add(entry);
                    }

                    continue;
                }

                versions.Remove(entry);
                versions.Add(entry = new() { Name = upload.Name, Traceparent = entry.Traceparent });
            }

            if (entry.State != VersionState.Uploading)
            {
                continue;
            }

            entry.Traceparent ??= cause;
            entry.Digest = upload.Digest;
            entry.Files = upload.Files;
            entry.Bytes = upload.Bytes;
            entry.Message = upload.Message;
            if (upload.Refused)
            {
                entry.State = VersionState.Refused;
            }
            else if (upload.Complete)
            {
                entry.State = VersionState.Complete;
                entry.CompletedAt = Conditions.Seconds(upload.LastChange);
            }
        }

        // Its folder was deleted before it ever served: there is nothing to load or to serve.
        versions.RemoveAll(v => v.State is VersionState.Uploading or VersionState.Complete or VersionState.Warming or VersionState.Warm && v.ServingSince is null && !uploads.Any(u => u.Name == v.Name));
        return ([.. versions.OrderBy(v => v.CompletedAt ?? DateTimeOffset.MaxValue).ThenBy(v => v.Name, StringComparer.Ordinal)], overwritten);
    }
}
