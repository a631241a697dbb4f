namespace Prewarm.Functions.Warm;

internal enum Warmth { Unknown, Cold, Partial, Warm }

/// <summary>Whether a version's bytes are proven local, and what the proof or the doubt is.</summary>
/// <param name="CachedBytes">Bytes in the cache workers, all copies counted.</param>
internal sealed record WarmthVerdict(Warmth Warmth, string Reason, string Message, double CachedBytes)
{
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
            return new(notWarm, "RuntimeNotReady", $"JindoRuntime {dataset.Metadata.Name} has worker phase {runtime?.Status?.WorkerPhase ?? "none"}; {figures}", cached);
        }

        if (load?.Status?.Phase != "Complete")
        {
            return new(notWarm, "LoadNotComplete", $"DataLoad is {(load?.Status?.Phase is { Length: > 0 } p ? p : "not started")}; {figures}", cached);
        }

        return cached + ByteSize.Rounding(cachedText!) >= wanted * 0.99
            ? new(Warmth.Warm, "BytesProven", figures, cached)
            : new(notWarm, "BytesMissing", $"DataLoad is Complete, but only {figures}", cached);
    }
}
