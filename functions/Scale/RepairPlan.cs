using System.Globalization;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Pipeline;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

internal enum RepairTime { None, Now, After }

/// <summary>Whether a cache that lost a version's bytes is loaded again, and when: beside the waking pod's own read, which shares the link to the store, or after it.</summary>
/// <param name="Message">For a person.</param>
internal sealed record RepairPlan(RepairTime When, string Message)
{
    /// <summary>Of the link, what a model server's own read through FUSE gets: small reads in random order (vLLM PR 36012 measured 0.29 and 0.06).</summary>
    private const double PodShare = 0.5;

    /// <summary>Bytes per second of the link to the store where no load has been measured: 1.5 Gbit/s.</summary>
    private const double UsualRate = 1.5e9 / 8;

    /// <summary>
    /// 1. Only what is Cold or Partial and has workers to hold it. 2. One load at a time per Dataset, whoever made it, because Fluid below 1.0 queues a second one and above runs both.
    /// 3. Now if it is expected to end before the pod has read the same by itself, or nothing wakes.
    /// </summary>
    /// <param name="podStart">Seconds until a pod that is being started begins to read; null: no pod is being started.</param>
    public static RepairPlan Of(ModelFacts facts, LocalityVerdict verdict, double? podStart)
    {
        // 1
        if (verdict.Locality is not (Locality.Cold or Locality.Partial) || facts.Version is not { Dataset: not null, Digest: not null, Bytes: > 0 } version)
        {
            return new(RepairTime.None, "");
        }

        if (facts.Dataset?.Status?.Phase != "Bound" || (facts.Runtime is not null && facts.Runtime.Status?.WorkerPhase != "Ready"))
        {
            return new(RepairTime.None, "no repair: the cache workers are not ready, the pod reads for itself");
        }

        // 2
        if (facts.Loads.FirstOrDefault(l => l.Metadata.DeletionTimestamp is null && l.Status?.Phase is not ("Complete" or "Failed")) is { } running)
        {
            return new(RepairTime.None, $"DataLoad {running.Metadata.Name} is loading already");
        }

        if (facts.Dataset.Status.Busy is { } others)
        {
            return new(RepairTime.None, $"the Dataset is busy with {others}");
        }

        // 3
        var copies = WarmObjects.Copies(facts.Model, version);
        var missing = Math.Max(0, ((double)version.Bytes.Value * copies) - (ByteSize.Parse(facts.Dataset.Status.CacheStates?.GetValueOrDefault("cached")) ?? 0));
        var rate = Rate(facts, version.Bytes.Value * copies);
        var load = missing / rate;
        if (podStart is not { } start)
        {
            return new(RepairTime.Now, $"a DataLoad brings {ByteSize.Format(missing)} back, in about {Seconds(load)}");
        }

        var pod = start + (Math.Min(missing, version.Bytes.Value) / (rate * PodShare));
        return load < pod
            ? new(RepairTime.Now, $"a DataLoad brings {ByteSize.Format(missing)} back, in about {Seconds(load)} where the pod would take {Seconds(pod)}")
            : new(RepairTime.After, $"the pod reads for itself (about {Seconds(pod)}): a DataLoad would take {Seconds(load)} and share its link; it follows");
    }

    // Bytes per second of the last load of the Dataset that ended well.
    private static double Rate(ModelFacts facts, double bytes) =>
        facts.Loads.Where(l => l.Status?.Phase == "Complete").Select(l => LineMetrics.Duration(l.Status!.Duration)?.TotalSeconds).Where(s => s > 0).Select(s => bytes / s!.Value).DefaultIfEmpty(UsualRate).Max();

    private static string Seconds(double seconds) => seconds < 10 ? string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s") : string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s");
}
