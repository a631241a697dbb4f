namespace Prewarm.Functions.Catalog;

internal static class CachedModelExtensions
{
    public static ModelKey Key(this CachedModel model) => new(model.Metadata.Namespace ?? "", model.Metadata.Name ?? "");

    /// <summary>The {model} under which predictions are asked for.</summary>
    public static string ModelName(this CachedModel model) =>
        model.Spec?.Serving.ModelName is { Length: > 0 } name ? name : model.Metadata.Name ?? "";

    public static string ServiceName(this CachedModel model) =>
        model.Spec?.Serving.Name is { Length: > 0 } name ? name : model.Metadata.Name ?? "";

    public static SourceLocation? Location(this CachedModel model) => SourceLocation.Parse(model.Spec?.Source.Uri);
}
