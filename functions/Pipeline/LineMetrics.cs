using System.Globalization;
using System.Text.RegularExpressions;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Warm;
using Prometheus;

namespace Prewarm.Functions.Pipeline;

/// <summary>What a written status says has happened since the one before; read from the two, so that a restart counts nothing twice.</summary>
internal static partial class LineMetrics
{
    private static readonly HistogramConfiguration Seconds = new() { Buckets = Histogram.ExponentialBuckets(1, 2, 14) };

    private static readonly Histogram Stage = Metrics.CreateHistogram(
        "prewarm_stage_seconds",
        "Time a version spent: detect (last upload to noticed complete), warm (DataLoad to proven), rollout (to traffic), line (last upload to traffic).",
        ["stage"], Seconds);

    private static readonly Histogram Load = Metrics.CreateHistogram(
        "prewarm_dataload_seconds", "How long a DataLoad took, by how it ended: complete, failed, unproven (Complete or not, the bytes were not there in time).", ["result"], Seconds);

    private static readonly Counter Rollouts = Metrics.CreateCounter(
        "prewarm_rollouts_total", "Versions that took traffic (served) or were refused it (refused), by model.", "model", "result");

    private static readonly Counter Stalls = Metrics.CreateCounter(
        "prewarm_uploads_stalled_total", "Uploads that nothing came of for stalledAfterMinutes (UploadStalled), or of which a multipart upload was left open (MultipartAbandoned), by model.", "model", "reason");

    public static void Observe(ModelKey model, CachedModelStatus? before, CachedModelStatus after, IReadOnlyList<DataLoad> loads, DateTimeOffset now)
    {
        if (Stalled(after) is { } stalled && Stalled(before)?.Reason != stalled.Reason)
        {
            Stalls.WithLabels(model.ToString(), stalled.Reason).Inc();
        }

        foreach (var version in after.Versions ?? [])
        {
            var old = before?.Versions?.Find(v => v.Name == version.Name && v.Digest == version.Digest);
            var load = loads.FirstOrDefault(l => l.Metadata.Name == version.DataLoad);
            if (version.CompletedAt is { } completed && old?.CompletedAt is null && version.State is not (VersionState.Retired or VersionState.Refused))
            {
                Took("detect", now - completed);
            }

            if (version.LoadedAt is not null && old?.LoadedAt is null)
            {
                if (load?.Metadata.CreationTimestamp is { } began)
                {
                    Took("warm", now - began);
                }

                Loaded("complete", load, now);
            }
            else if (version.State == VersionState.Warm && old?.State == VersionState.Warming && version.LoadedAt is null)
            {
                Loaded("unproven", load, now);
            }

            if (version.LoadFailures > (old?.LoadFailures ?? 0))
            {
                Loaded("failed", loads.FirstOrDefault(l => l.Metadata.Name == old?.DataLoad) ?? load, now);
            }

            if (version.ServingSince is { } since && old?.ServingSince != since)
            {
                Rollouts.WithLabels(model.ToString(), "served").Inc();
                Took("rollout", since - (version.RolloutStartedAt ?? since));
                Took("line", since - (version.CompletedAt ?? since));
            }
            else if (version.State == VersionState.Refused && version.RolloutStartedAt is not null && old?.State != VersionState.Refused)
            {
                Rollouts.WithLabels(model.ToString(), "refused").Inc();
            }
        }
    }

    /// <summary>A Go duration as Fluid writes it (<c>1m45s</c>); null when it is none (<c>Unfinished</c>).</summary>
    internal static TimeSpan? Duration(string? text)
    {
        if (text is null || GoDuration().Match(text) is not { Success: true, Length: > 0 } match)
        {
            return null;
        }

        double Part(string name) => match.Groups[name] is { Success: true } g ? double.Parse(g.ValueSpan, CultureInfo.InvariantCulture) : 0;
        return TimeSpan.FromSeconds((Part("h") * 3600) + (Part("m") * 60) + Part("s"));
    }

    private static ModelCondition? Stalled(CachedModelStatus? status) => status?.Conditions?.Find(c => c is { Type: "Stalled", Status: "True" });

    private static void Loaded(string result, DataLoad? load, DateTimeOffset now)
    {
        if (load?.Metadata.CreationTimestamp is { } began)
        {
            Load.WithLabels(result).Observe((Duration(load.Status?.Duration) ?? now - began).TotalSeconds);
        }
    }

    // Clocks of the store, the API server and this process differ: never below zero.
    private static void Took(string stage, TimeSpan time) => Stage.WithLabels(stage).Observe(Math.Max(0, time.TotalSeconds));

    [GeneratedRegex(@"^(?=\d)((?<h>\d+)h)?((?<m>\d+)m)?((?<s>\d+(\.\d+)?)s)?$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex GoDuration();
}
