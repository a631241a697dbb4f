using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>The lines of a status that sum up its parts.</summary>
internal static class LineSummary
{
    public static CachedModelStatus Status(CachedModelStatus before, CachedModel model, string phase, Conditions conditions, List<VersionStatus>? versions, DateTimeOffset? nextLook) => new()
    {
        Phase = phase,
        ObservedGeneration = model.Metadata.Generation,
        Conditions = conditions.Build(),
        Versions = versions,
        Model = model.ModelName(),
        Version = before.Version,
        Cached = before.Cached,
        Warmth = before.Warmth,
        Traffic = before.Traffic,
        Url = before.Url,
        Source = before.Source,
        Locality = before.Locality,
        Handled = before.Handled,
        NextLook = nextLook is { } at ? Conditions.Seconds(at.AddSeconds(1)) : null,
        Newer = before.Newer,
    };

    public static string Phase(List<VersionStatus> versions, VersionStatus? target) => target?.State switch
    {
        VersionState.Complete or VersionState.Warming => "Warming",
        VersionState.Warm => "RollingOut",
        VersionState.Serving => "Serving",
        _ when versions.Exists(v => v.State == VersionState.Serving) => "Serving",
        _ when versions.Exists(v => v.State == VersionState.Uploading) => "Uploading",
        _ when versions.Exists(v => v.State == VersionState.Refused) => "Blocked",
        _ => "Waiting",
    };

    public static string Waiting(List<VersionStatus> versions, VersionStatus? target, UploadFailure? failure) =>
        failure?.Message
        ?? target?.State switch
        {
            VersionState.Warming => $"version {target.Name} is being cached",
            VersionState.Warm => $"version {target.Name} is being rolled out",
            VersionState.Serving => "the InferenceService is not Ready",
            _ => versions.LastOrDefault() is { } last ? $"version {last.Name}: {last.Message}" : "waiting for an upload",
        };

    public static string? Traffic(Observed observed, List<VersionStatus> versions)
    {
        var targets = observed.Service?.Status?.Components?.GetValueOrDefault("predictor")?.Traffic;
        return targets is null or [] ? null : string.Join(", ", targets.Where(t => t.Percent > 0)
            .Select(t => $"{versions.Find(v => v.Revision == t.RevisionName)?.Name ?? t.RevisionName} {t.Percent}%"));
    }

    /// <summary>Where the served version's bytes lie (before anything serves: the next one's); as it was when nothing has changed.</summary>
    public static LocalityStatus? Locality(LinePass pass, VersionStatus? target)
    {
        if ((pass.Serving ?? target) is not { Dataset: { } dataset } version)
        {
            return null;
        }

        var workers = pass.Observed.WorkerNodes.GetValueOrDefault(dataset);
        string[] pods = [.. pass.Observed.PodNodes[version.Revision ?? ""].Distinct(StringComparer.Ordinal)];
        var copies = WarmObjects.Copies(pass.Model, version);
        var verdict = LocalityVerdict.Of(WarmStage.Verdict(pass, version), copies, workers, pods, pass.Model.Spec!.Serving.Platform == "ACKServerless")
            .Because(null, version.LoadedAt, pass.Now);
        var nodes = (workers ?? []).Select(n => (Name: n, Role: "worker")).Concat(pods.Select(n => (Name: n, Role: "predictor")))
            .GroupBy(n => n.Name, n => n.Role).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => new LocalityNode { Name = g.Key, Role = string.Join('+', g) }).ToList();
        var before = pass.Model.Status?.Locality;
        var same = before is not null && before.Verdict == verdict.Locality.ToString() && before.Reason == verdict.Reason && before.Message == verdict.Message && before.Copies == copies && before.Workers == workers?.Count
            && (before.Nodes ?? []).Select(n => (n.Name, n.Role)).SequenceEqual(nodes.Select(n => (n.Name, n.Role)));
        return same ? before : new()
        {
            Verdict = verdict.Locality.ToString(),
            Reason = verdict.Reason,
            Message = verdict.Message,
            Copies = copies,
            Workers = workers?.Count,
            Nodes = nodes,
            ObservedAt = Conditions.Seconds(pass.Now),
        };
    }
}
