using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Upload;

/// <summary>
/// Judges a listing, version by version. Pure: the same listing at the same time gives the same verdict, in whatever order it was listed.
/// <list type="number">
/// <item>split the listing into versions;</item>
/// <item>refuse what can never work: unusable keys, faulty index or manifest;</item>
/// <item>wait for open multipart uploads, up to the stall limit;</item>
/// <item>ask marker, manifest, index or quiet, whichever <c>complete.when</c> allows;</item>
/// <item>what is not complete says what is missing and when time alone may change that.</item>
/// </list>
/// </summary>
internal static class UploadPlanner
{
    public const string FlatName = "flat";
    private const string Manifest = "manifest.json";

    /// <summary>
    /// How the prefix is to be read: as the spec says; Auto as folders once a folder was complete, because an object that somebody drops beside the folders makes no version of them all.
    /// </summary>
    public static string Layout(SourceSpec source, CachedModelStatus? known) =>
        source.Versions == "Auto" && known?.Versions?.Exists(v => v.CompletedAt is not null && v.Name != FlatName) == true ? "Folders" : source.Versions;

    /// <summary>Keys of files and open uploads that lie in no folder.</summary>
    public static IReadOnlyList<string> Beside(string prefix, IReadOnlyList<StoredObject> objects, IReadOnlyList<OpenUpload> open) =>
        [.. objects.Select(o => o.Key).Where(k => !k.EndsWith('/')).Concat(open.Select(o => o.Key)).Where(k => InNoFolder(prefix, k)).Distinct(StringComparer.Ordinal)];

    /// <summary>The small files of a version whose content <see cref="Judge"/> wants to know.</summary>
    public static IEnumerable<StoredObject> Documents(CompleteSpec rule, VersionFiles version) =>
        TooMuchToRead(rule.When, version) is null ? version.Files.Where(f => WantsContent(rule.When, version.Prefix, f.Key) || IsGolden(version.Prefix, f.Key)) : [];

    /// <summary>
    /// How long a listing for the sake of one new object may wait without anything being complete later for it, at most the time between two listings: so that the object which
    /// completes the upload (its marker, or the last one of a manifest) finds that time over, and one listing serves all that came before.
    /// </summary>
    public static TimeSpan Patience(CompleteSpec rule, string key)
    {
        var completes = (rule.When is "Auto" or "Marker" && Named(rule.Marker)) || (rule.When == "Auto" && Named(Manifest)) || rule.When == "Manifest";
        return completes ? TimeSpan.Zero : rule.When == "Marker" || ShortQuiet(rule) > ListingPace.Interval ? ListingPace.Interval : ShortQuiet(rule);

        bool Named(string name) => key.EndsWith(name, StringComparison.Ordinal) && (key.Length == name.Length || key[^(name.Length + 1)] == '/');
    }

    /// <summary>What has to be quiet once every shard of an index is there: tokenizer files come after the index.</summary>
    private static TimeSpan ShortQuiet(CompleteSpec rule) => TimeSpan.FromSeconds(Math.Max(0, Math.Min(rule.QuietSeconds, Math.Max(2, rule.QuietSeconds / 6.0))));

    private static bool WantsContent(string when, string versionPrefix, string key) => when switch
    {
        "Auto" => UploadDocuments.IsIndex(key) || key == versionPrefix + Manifest,
        "Index" => UploadDocuments.IsIndex(key),
        "Manifest" => key == versionPrefix + Manifest,
        _ => false,
    };

    private static bool IsGolden(string versionPrefix, string key) => key == versionPrefix + GoldenFile.Name;

    /// <summary>Why a version's documents are not worth reading; null when they are.</summary>
    private static string? TooMuchToRead(string when, VersionFiles version)
    {
        var documents = version.Files.Where(f => WantsContent(when, version.Prefix, f.Key)).ToList();
        return documents.Find(f => f.Size > UploadDocuments.MaxBytes) is { } large ? $"{ObjectKeys.Printable(large.Key)} is larger than {UploadDocuments.MaxBytes} bytes"
            : documents.Count > UploadDocuments.MaxCount ? $"there are {documents.Count} indexes, more than {UploadDocuments.MaxCount}"
            : documents.Sum(f => f.Size) > UploadDocuments.MaxTotalBytes ? $"the indexes are together larger than {UploadDocuments.MaxTotalBytes} bytes"
            : version.Files.Find(f => IsGolden(version.Prefix, f.Key)) is { Size: > GoldenFile.MaxBytes } ? $"{GoldenFile.Name} is larger than {GoldenFile.MaxBytes} bytes"
            : null;
    }

    // 1.
    /// <param name="layout">From <see cref="Layout"/>.</param>
    public static IReadOnlyList<VersionFiles> Split(CompleteSpec rule, string layout, string prefix, IReadOnlyList<StoredObject> objects, IReadOnlyList<OpenUpload> open)
    {
        var files = objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal) && !o.Key.EndsWith('/')).ToList();
        var uploads = open.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        var flat = layout switch
        {
            "Flat" => true,
            "Folders" => false,
            _ => files.Exists(f => InNoFolder(prefix, f.Key)) || uploads.Exists(u => InNoFolder(prefix, u.Key)),
        };
        if (flat)
        {
            return files.Count + uploads.Count == 0 ? [] : [NewVersion(FlatName, prefix, files, uploads)];
        }

        var filesOf = files.Where(f => Folder(f.Key) is not null).ToLookup(f => Folder(f.Key)!, StringComparer.Ordinal);
        var uploadsOf = uploads.Where(f => Folder(f.Key) is not null).ToLookup(f => Folder(f.Key)!, StringComparer.Ordinal);
        return [.. filesOf.Select(g => g.Key).Union(uploadsOf.Select(g => g.Key), StringComparer.Ordinal)
            .Order(StringComparer.Ordinal)
            .Select(name => NewVersion(name, $"{prefix}{name}/", [.. filesOf[name]], [.. uploadsOf[name]]))];

        string? Folder(string key)
        {
            var slash = key.IndexOf('/', prefix.Length);
            return slash < 0 ? null : key[prefix.Length..slash];
        }

        VersionFiles NewVersion(string name, string versionPrefix, List<StoredObject> all, List<OpenUpload> uploads)
        {
            // The marker says something about the files; it is none of them, so that adding it later does not change the digest.
            var markerKey = versionPrefix + rule.Marker;
            var marker = rule.When is "Auto" or "Marker" ? all.Find(f => f.Key == markerKey) : null;
            List<StoredObject> its = [.. all.Where(f => f != marker).OrderBy(f => f.Key, StringComparer.Ordinal)];
            return new(name, versionPrefix, UploadDigest.Of(its), its, marker, uploads);
        }
    }

    private static bool InNoFolder(string prefix, string key) => key.StartsWith(prefix, StringComparison.Ordinal) && !key.AsSpan(prefix.Length).Contains('/');

    /// <param name="content">Content of a listed document by full key; null when it could not be read as listed.</param>
    /// <param name="decided">These very files were complete once, and what became of the version does not depend on their content any more: none is asked for.</param>
    public static UploadedVersion Judge(CompleteSpec rule, string prefix, VersionFiles version, Func<string, byte[]?> content, DateTimeOffset now, bool decided = false)
    {
        var quiet = TimeSpan.FromSeconds(Math.Max(0, rule.QuietSeconds));
        var shortQuiet = ShortQuiet(rule);
        var stallAfter = TimeSpan.FromMinutes(Math.Max(1, rule.StalledAfterMinutes));
        var files = version.Files;
        var lastChange = files.Select(f => f.LastModified)
            .Concat(files.Count == 0 ? version.Open.Select(o => o.Initiated).Append(version.Marker?.LastModified ?? DateTimeOffset.MinValue) : [])
            .Max();
        var verdict = new UploadedVersion(
            version.Name, version.Prefix, version.Digest, files.Count, files.Sum(f => f.Size), false, "", "", null, lastChange,
            files.Find(f => IsGolden(version.Prefix, f.Key))?.Key);

        // 2.
        var unusable = files.Select(f => (f.Key, Why: ObjectKeys.UnusableBecause(f.Key[prefix.Length..]))).Where(f => f.Why is not null).ToList();
        if (unusable.Count > 0)
        {
            return Refused("UnusableKey", $"Fluid cannot load {unusable.Count} of {files.Count} keys: {ObjectKeys.List(unusable.Select(f => $"\"{f.Key}\" {f.Why}"))}: upload under other names");
        }

        if (TooMuchToRead(rule.When, version) is { } tooMuch)
        {
            return Refused("MalformedIndex", tooMuch);
        }

        if (verdict.GoldenKey is { } golden && !decided)
        {
            if (content(golden) is not { } lines)
            {
                return verdict with { Reason = "Changing", Message = $"{golden} changed while it was read", NextLook = now + shortQuiet };
            }

            if (GoldenFile.Read(lines).Fault is { } fault)
            {
                return Refused("MalformedGolden", $"{fault}: correct it, or leave the file out");
            }
        }

        var demands = new List<UploadDemand>();
        StoredObject? manifest = null;
        foreach (var file in files.Where(f => !decided && WantsContent(rule.When, version.Prefix, f.Key)))
        {
            if (content(file.Key) is not { } bytes)
            {
                return verdict with { Reason = "Changing", Message = $"{file.Key} changed while it was read", NextLook = now + shortQuiet };
            }

            var isManifest = file.Key == version.Prefix + Manifest;
            var demand = isManifest ? UploadDocuments.ReadManifest(file.Key, bytes) : UploadDocuments.ReadIndex(file.Key, bytes);
            if (demand.Fault is { } fault)
            {
                if (isManifest && rule.When == "Auto" && fault.EndsWith("has no list of files", StringComparison.Ordinal))
                {
                    continue; // some other program's manifest.json: a file like any other
                }

                return Refused(isManifest ? "MalformedManifest" : "MalformedIndex", fault);
            }

            manifest = isManifest ? file : manifest;
            demands.Add(demand);
        }

        if (files.Count == 0 && version.Open.Count == 0)
        {
            return Waiting("Empty", "there are no files yet");
        }

        // 3.
        var open = version.Open.Where(o => now - o.LastSign < stallAfter).OrderBy(o => o.Key, StringComparer.Ordinal).ToList();
        if (open.Count > 0)
        {
            return verdict with
            {
                Reason = "MultipartOpen",
                Message = $"multipart uploads are under way, and waited for until nothing of them has come for {stallAfter.TotalMinutes:0} min: {ObjectKeys.List(open.Select(o => o.Key))}",
                NextLook = open.Max(o => o.LastSign) + stallAfter,
            };
        }

        if (version.Open.Count > 0)
        {
            verdict = verdict with { Abandoned = [.. version.Open.Select(o => o.Key).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)] };
        }

        if (files.Count == 0)
        {
            return Waiting("Empty", $"there are only abandoned multipart uploads: {ObjectKeys.List(verdict.Abandoned)}");
        }

        if (decided)
        {
            return Complete("Complete", "it was complete before");
        }

        // 4.
        var empty = files.FindAll(f => f.Size == 0 && HoldsWeights(f.Key));
        if (version.Marker is { } marker)
        {
            if (marker.LastModified >= lastChange && empty.Count > 0)
            {
                return Empty();
            }

            if (marker.LastModified >= lastChange)
            {
                return Complete("MarkerPresent", $"{rule.Marker} is newer than every file") with { LastChange = marker.LastModified };
            }

            if (rule.When == "Marker")
            {
                return Waiting("MarkerMissing", $"files changed after {rule.Marker} was written: write it again when all is there");
            }
        }
        else if (rule.When == "Marker")
        {
            return Waiting("MarkerMissing", $"{version.Prefix}{rule.Marker} is not there yet");
        }

        var byKey = files.ToDictionary(f => f.Key, StringComparer.Ordinal);
        var missing = demands.SelectMany(d => d.Files)
            .Select(want => (want.Key, Fault: Short(want, byKey.GetValueOrDefault(want.Key)))).Where(want => want.Fault is not null)
            .DistinctBy(want => want.Key, StringComparer.Ordinal).OrderBy(want => want.Key, StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
        {
            return Waiting("MissingFiles", string.Join("; ", missing.GroupBy(m => m.Fault!, m => m.Key).OrderBy(g => g.Key == "missing" ? 0 : 1).ThenBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Key}: {ObjectKeys.List(g)}")));
        }

        if (empty.Count > 0)
        {
            return Empty();
        }

        if (manifest is not null)
        {
            return Complete("ManifestSatisfied", $"every file of {Manifest} is there with its size");
        }

        if (demands.Count > 0)
        {
            return QuietFor(shortQuiet, "IndexSatisfied", "every shard of the index is there");
        }

        return rule.When switch
        {
            "Manifest" => Waiting("MissingFiles", $"{version.Prefix}{Manifest} is not there yet"),
            "Index" => Waiting("MissingFiles", "no *.index.json is there yet"),
            _ => QuietFor(quiet, "Quiet", $"nothing changed for {rule.QuietSeconds} s"),
        };

        // A file of weights has at least a header: one of 0 bytes is an upload that broke off, whatever a marker says.
        UploadedVersion Empty() => Waiting("EmptyFiles", $"empty: {ObjectKeys.List(empty.Select(f => f.Key))}: upload again");

        UploadedVersion Refused(string reason, string message) => verdict with { Reason = reason, Message = message, Refused = true };

        UploadedVersion Complete(string reason, string message) => verdict with { Complete = true, Reason = reason, Message = message };

        UploadedVersion QuietFor(TimeSpan time, string reason, string message) => now - lastChange >= time
            ? Complete(reason, message)
            : verdict with { Reason = "NotQuietYet", Message = $"the last file came less than {time.TotalSeconds:0.#} s ago", NextLook = lastChange + time };

        // 5.
        UploadedVersion Waiting(string reason, string message)
        {
            var stalled = now - lastChange >= stallAfter;
            return verdict with { Reason = reason, Message = message, Stalled = stalled, NextLook = stalled ? null : lastChange + stallAfter };
        }
    }

    private static bool HoldsWeights(string key) => key.EndsWith(".safetensors", StringComparison.Ordinal) || key.EndsWith(".gguf", StringComparison.Ordinal);

    /// <summary>What a demanded file lacks; null when it is there.</summary>
    private static string? Short((string Key, long? Size) want, StoredObject? got) =>
        got is null ? "missing" : want.Size is { } size ? got.Size != size ? "of another size" : null : got.Size == 0 ? "empty" : null;
}
