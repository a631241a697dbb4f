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
    private const int MaxVersions = 20;

    /// <param name="cause">W3C traceparent of the event that asked for this look: what it finds belongs to that event's trace.</param>
    /// <summary>Returns the versions as they are now, oldest completion first, and the names of served versions whose files were changed in place.</summary>
    public static (List<VersionStatus> Versions, List<string> Overwritten) Update(
        IReadOnlyList<VersionStatus> before, IReadOnlyList<UploadedVersion> uploads, string? cause = null)
    {
        var versions = before.Select(Copy).ToList();
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
        versions = [.. versions.OrderBy(v => v.CompletedAt ?? DateTimeOffset.MaxValue).ThenBy(v => v.Name, StringComparer.Ordinal)];
        Retire(versions);
        while (versions.Count > MaxVersions && versions.FindIndex(v => v.State is VersionState.Retired or VersionState.Refused) is >= 0 and var oldest)
        {
            versions.RemoveAt(oldest);
        }

        return (versions, overwritten);
    }

    /// <summary>The version the line works towards: the newest completed one that was not refused.</summary>
    public static VersionStatus? Target(List<VersionStatus> versions) =>
        versions.FindLast(v => v.State is not (VersionState.Uploading or VersionState.Refused or VersionState.Retired));

    private static void Retire(List<VersionStatus> versions)
    {
        // Newest wins, once: what completed before it and does not serve is not worth warming any more.
        var target = Target(versions);
        foreach (var version in versions)
        {
            if (version != target && version.State is VersionState.Complete or VersionState.Warming or VersionState.Warm && version != target)
            {
                version.State = VersionState.Retired;
                version.Message = $"superseded by {target!.Name}";
            }
        }
    }

    private static VersionStatus Copy(VersionStatus v) => new()
    {
        Name = v.Name,
        Digest = v.Digest,
        Files = v.Files,
        Bytes = v.Bytes,
        State = v.State,
        Message = v.Message,
        Dataset = v.Dataset,
        DataLoad = v.DataLoad,
        Revision = v.Revision,
        CompletedAt = v.CompletedAt,
        LoadedAt = v.LoadedAt,
        RolloutStartedAt = v.RolloutStartedAt,
        Golden = v.Golden,
        ServingSince = v.ServingSince,
        LoadFailures = v.LoadFailures,
        Traceparent = v.Traceparent,
    };
}
