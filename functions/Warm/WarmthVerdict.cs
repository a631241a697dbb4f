namespace Prewarm.Functions.Warm;

internal enum Warmth { Unknown, Cold, Partial, Warm }

/// <summary>Whether a version's bytes are proven local, and what the proof or the doubt is.</summary>
/// <param name="CachedBytes">Bytes in the cache workers, all copies counted.</param>
internal sealed record WarmthVerdict(Warmth Warmth, string Reason, string Message, double CachedBytes)
{
    /// <summary>Bytes that all copies have; 0 when nothing could be judged.</summary>
    public double WantedBytes { get; init; }

    /// <summary>
    /// Warm = DataLoad Complete AND runtime Ready AND cached bytes at least version bytes × copies, within 1 %.
    /// A Dataset holds exactly one version, so its cached bytes are that version's; cachedPercentage alone proves nothing.
    /// </summary>
    public static WarmthVerdict Of(Dataset? dataset, JindoRuntime? runtime, DataLoad? load, long versionBytes, int copies)
    {
        var cachedText = dataset?.Status?.CacheStates?.GetValueOrDefault("cached");
        if (dataset is null || ByteSize.Parse(cachedText) is not { } cached)
        {
            return new(Warmth.Unknown, "NoCacheFigures",
                dataset is null ? "the Dataset does not exist yet" : $"Dataset {dataset.Metadata.Name} reports no cached bytes yet", 0);
        }

        var wanted = (double)versionBytes * copies;
        var figures = $"{ByteSize.Format(cached)} of {ByteSize.Format(wanted)} cached ({copies} copies of {ByteSize.Format(versionBytes)})";
        var notWarm = cached > 0 ? Warmth.Partial : Warmth.Cold;
        if (runtime?.Status is not { WorkerPhase: "Ready" })
        {
            return new(notWarm, "RuntimeNotReady", $"JindoRuntime {dataset.Metadata.Name} has worker phase {runtime?.Status?.WorkerPhase ?? "none"}; {figures}", cached) { WantedBytes = wanted };
        }

        if (load?.Status?.Phase != "Complete")
        {
            return new(notWarm, "LoadNotComplete", $"DataLoad is {(load?.Status?.Phase is { Length: > 0 } p ? p : "not started")}; {figures}", cached) { WantedBytes = wanted };
        }

        return cached + ByteSize.Rounding(cachedText!) >= wanted * 0.99
            ? new(Warmth.Warm, "BytesProven", figures, cached) { WantedBytes = wanted }
            : new(notWarm, "BytesMissing", $"DataLoad is Complete, but only {figures}", cached) { WantedBytes = wanted };
    }

    /// <summary>
    /// The same for a Dataset that holds other things too. Its figures are the whole Dataset's, so a version's bytes are accounted for in one of
    /// two ways: the cache grew by them while the version was loaded, or everything that the Dataset mounts is cached.
    /// </summary>
    /// <param name="before">Bytes cached before the DataLoad; null: not known.</param>
    public static WarmthVerdict OfAdopted(Dataset? dataset, JindoRuntime? runtime, DataLoad? load, long versionBytes, int copies, long? before)
    {
        // A Dataset may stand on another runtime than Jindo: then its own phase has to do.
        runtime ??= dataset?.Status?.Phase == "Bound" ? new() { Status = new() { WorkerPhase = "Ready" } } : null;
        var whole = Of(dataset, runtime, load, versionBytes, copies);
        if (whole.Warmth != Warmth.Warm)
        {
            return whole;
        }

        var wanted = (double)versionBytes * copies;
        // Two rounded figures; but what rounding can hide wholly, it does not prove.
        var slack = Math.Min(ByteSize.Rounding(dataset!.Status!.CacheStates!["cached"]) * 2, wanted * 0.05);
        if (before is { } bytes && whole.CachedBytes - bytes + slack >= wanted * 0.99)
        {
            return whole with { Reason = "BytesAccounted", Message = $"the cache grew by {ByteSize.Format(whole.CachedBytes - bytes)} while {ByteSize.Format(wanted)} were loaded" };
        }

        if (ByteSize.Parse(dataset.Status.UfsTotal) is { } all && all >= versionBytes && whole.CachedBytes + slack >= all * copies * 0.99)
        {
            return whole with { Reason = "DatasetWhollyCached", Message = $"all {ByteSize.Format(all)} of Dataset {dataset.Metadata.Name} are cached ({copies} copies)" };
        }

        return whole with
        {
            Warmth = Warmth.Partial,
            Reason = "BytesUnaccounted",
            Message = $"Dataset {dataset.Metadata.Name} has {ByteSize.Format(whole.CachedBytes)} cached, {ByteSize.Format(before ?? 0)} of them before the load: that does not prove this version's {ByteSize.Format(wanted)}",
        };
    }
}
