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
}

/// <summary>Brings the versions of the status up to date with the listing.</summary>
internal static class VersionLedger
{
    /// <summary>Returns the versions as they are now, oldest completion first, and the names of served versions whose files were changed in place.</summary>
    /// <param name="cause">W3C traceparent of the event that asked for this look: what it finds belongs to that event's trace.</param>
    public static (List<VersionStatus> Versions, List<string> Overwritten) Update(
        IReadOnlyList<VersionStatus> before, IReadOnlyList<UploadedVersion> uploads, string? cause = null)
    {
        var versions = before.Select(v => v.Copy()).ToList();
        var overwritten = new List<string>();
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
                    // A revision reads these very paths: rolling it out over itself would serve a mixture.
                    overwritten.Add(entry.Name);
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

        versions.RemoveAll(v => v.State == VersionState.Uploading && !uploads.Any(u => u.Name == v.Name));
        return ([.. versions.OrderBy(v => v.CompletedAt ?? DateTimeOffset.MaxValue).ThenBy(v => v.Name, StringComparer.Ordinal)], overwritten);
    }
}
