using System.Globalization;

namespace Prewarm.Functions.Catalog;

/// <summary>
/// What the prewarmer asks of a model's cache, as an annotation of the CachedModel (<see cref="Ownership.CacheAnnotation"/>) that the line obeys: <c>released</c>, no workers; <c>until TIME</c>, none after that unless it
/// is renewed, so that what a budget has paid for ends although the prewarmer is dead; <c>workers NUMBER</c>, before it or alone, so many when it is made or taken back; none: kept, with <c>spec.cache.replicas</c>.
/// </summary>
/// <param name="Workers">Null: <c>spec.cache.replicas</c>.</param>
internal readonly record struct CacheMark(bool Released, DateTimeOffset? Until, int? Workers = null)
{
    private const string Away = "released";
    private const string Before = "until";
    private const string Some = "workers";

    /// <summary>Of a model; what cannot be read asks for nothing.</summary>
    public static CacheMark Of(CachedModel model)
    {
        var text = model.Metadata.Annotations?.GetValueOrDefault(Ownership.CacheAnnotation) ?? "";
        string[] words = text.Split(' ', 5);
        int? workers = null;
        if (words is [Some, var number, .. var rest] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var many) && many > 0)
        {
            (workers, words) = (many, rest);
        }

        return new(text == Away, words is [Before, var at] && DateTimeOffset.TryParse(at, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var until) ? until : null, workers);
    }

    /// <summary>The cache is to have no workers.</summary>
    public bool Gone(DateTimeOffset now) => Released || Until <= now;

    /// <summary>The annotation's text; null: there is none.</summary>
    public string? Text
    {
        get
        {
            if (Released)
            {
                return Away;
            }

            var workers = Workers is { } many ? string.Create(CultureInfo.InvariantCulture, $"{Some} {many}") : null;
            var until = Until is { } time ? $"{Before} {time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}" : null;
            return workers is null || until is null ? workers ?? until : $"{workers} {until}";
        }
    }
}
