using Prewarm.Functions.Catalog;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Which of two CachedModels has a prefix or a service name that both ask for. Every replica decides the same from the same catalog:
/// 1. who holds its prefix (status.source) goes before who only asks for it, so that nobody can take a prefix away by an edit;
/// 2. then the older one;
/// 3. then the one whose namespace and name come first.
/// </summary>
internal static class Claims
{
    /// <summary>The claim that a model loses; null when it has what it asks for.</summary>
    public static SpecFault? Of(CachedModel model, CatalogSnapshot catalog)
    {
        if (model.Location() is not { } mine)
        {
            return null;
        }

        if (First(model, catalog.Overlapping(mine).Where(o => SameStore(model, o))) is { } holder)
        {
            return SpecFault.Text(ClusterChecks.PrefixClaimed, "spec.source.uri", model.Spec!.Source.Uri,
                $"CachedModel {holder.Key()} has {holder.Location()!.Uri}, and files below it can be one model's only: give this one a prefix of its own, or delete the other");
        }

        var name = model.ServiceName();
        return First(model, catalog.Models.Where(o => o.Metadata.Namespace == model.Metadata.Namespace && o.ServiceName() == name)) is { } first
            ? SpecFault.Text(ClusterChecks.ServiceNameClaimed, "spec.serving.name", name, $"CachedModel {first.Key()} has that name for its InferenceService: set spec.serving.name to another name, or delete the other")
            : null;
    }

    private static CachedModel? First(CachedModel model, IEnumerable<CachedModel> rivals) => rivals
        .Where(o => o.Key() != model.Key() && o.Metadata.DeletionTimestamp is null && Rank(o).CompareTo(Rank(model)) < 0)
        .MinBy(Rank);

    private static (bool Asks, DateTimeOffset Since, string Key) Rank(CachedModel model) =>
        (model.Status?.Source is not { } held || held != model.Location()?.Uri, model.Metadata.CreationTimestamp ?? DateTimeOffset.MaxValue, $"{model.Metadata.Namespace}\0{model.Metadata.Name}");

    // Bucket names are OSS's own, in every region and on every endpoint of it; another store may have a bucket of the same name.
    private static bool SameStore(CachedModel a, CachedModel b) => Store(a) is not { } one || Store(b) is not { } other || one == other;

    private static string? Store(CachedModel model) => StoreEndpoint.Parse(model.Spec?.Source.Endpoint) is { } endpoint
        ? endpoint.ServiceUrl.Contains(".aliyuncs.com", StringComparison.OrdinalIgnoreCase) ? "oss" : endpoint.ServiceUrl.ToLowerInvariant()
        : null;
}
