using System.Globalization;

namespace Prewarm.Functions.Catalog;

/// <summary>
/// What the prewarmer asks of a model's cache, as an annotation of the CachedModel (<see cref="Ownership.CacheAnnotation"/>) that the line obeys: <c>released</c>, no workers; <c>until TIME</c>, none after that unless it
/// is renewed, so that what a budget has paid for ends although the prewarmer is dead; none: kept.
/// </summary>
internal readonly record struct CacheMark(bool Released, DateTimeOffset? Until)
{
    private const string Away = "released";
    private const string Before = "until ";

    /// <summary>Of a model; what cannot be read asks for nothing.</summary>
    public static CacheMark Of(CachedModel model)
    {
        var text = model.Metadata.Annotations?.GetValueOrDefault(Ownership.CacheAnnotation);
        return new(text == Away, text?.StartsWith(Before, StringComparison.Ordinal) == true
            && DateTimeOffset.TryParse(text.AsSpan(Before.Length), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var until) ? until : null);
    }

    /// <summary>The cache is to have no workers.</summary>
    public bool Gone(DateTimeOffset now) => Released || Until <= now;

    /// <summary>The annotation's text; null: there is none.</summary>
    public string? Text => Released ? Away : Until is { } until ? Before + until.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) : null;
}
