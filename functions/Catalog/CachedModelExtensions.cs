namespace Prewarm.Functions.Catalog;

internal static class CachedModelExtensions
{
    /// <summary>As spec.serving.name: <c>latest-NAME-predictor</c> is one label of a host, and the pods' names grow from it.</summary>
    private const int MaxServiceName = 40;

    public static ModelKey Key(this CachedModel model) => new(model.Metadata.Namespace ?? "", model.Metadata.Name ?? "");

    /// <summary>The {model} under which predictions are asked for.</summary>
    public static string ModelName(this CachedModel model) =>
        model.Spec?.Serving.ModelName is { Length: > 0 } name ? name : model.Metadata.Name ?? "";

    /// <summary>Name of the InferenceService.</summary>
    public static string ServiceName(this CachedModel model) =>
        model.Spec?.Serving.Name is { Length: > 0 } name ? name : DnsName.Of(model.Metadata.Name ?? "", MaxServiceName);

    public static SourceLocation? Location(this CachedModel model) => SourceLocation.Parse(model.Spec?.Source.Uri);
}
