namespace Prewarm.Functions.Prewarm;

/// <summary>The services that are scored, and those whose past teaches.</summary>
internal sealed record BacktestTraces(ServiceTrace[] Scored, IReadOnlyList<ServiceTrace> History)
{
    /// <param name="warnings">What is no mistake by itself, but may make the scores mean something else.</param>
    /// <exception cref="FormatException">The files do not go together, or with the options.</exception>
    /// <exception cref="TraceFormatException">A file cannot be read, or nothing is left to score.</exception>
    public static BacktestTraces Read(BacktestOptions options, TextWriter warnings)
    {
        ServiceTrace[] history = [.. options.History.SelectMany(TraceReader.Read).Where(s => s.Arrivals.Length >= options.MinArrivals)];
        ServiceTrace[] scored = [.. options.Files.SelectMany(TraceReader.Read).Where(s => s.Arrivals.Length >= options.MinArrivals)];
        if (scored.Length == 0)
        {
            throw new TraceFormatException($"no service has {options.MinArrivals} arrivals or more");
        }

        // One group would teach the other what it is scored with.
        if (scored.GroupBy(s => s.Id, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            throw new FormatException($"\"{twice.Key}\" is in two files that are scored: give each service once, or rename one of them");
        }

        if (options.Folds > scored.Length)
        {
            throw new FormatException($"--folds {options.Folds} is more than the services with {options.MinArrivals} arrivals or more, {scored.Length}: give at most as many groups as services");
        }

        if (options.History.Count > 0 && history.Length == 0)
        {
            warnings.WriteLine($"warning: no service of --history has {options.MinArrivals} arrivals or more (--min-arrivals): nothing is learned from it");
        }

        var begins = scored.ToDictionary(s => s.Id, s => s.Arrivals[0], StringComparer.Ordinal);
        string[] known = [.. history.Where(h => begins.TryGetValue(h.Id, out var first) && h.Arrivals[^1] >= first).Select(h => h.Id).Distinct(StringComparer.Ordinal)];
        if (known.Length > 0)
        {
            warnings.WriteLine($"warning: --history goes on after the scored trace begins, for {known.Length} of its services, first \"{known[0]}\": it teaches their future; end it before, or leave them out");
        }

        return new(scored, history);
    }
}
