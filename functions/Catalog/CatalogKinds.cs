using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Kubernetes;

namespace Prewarm.Functions.Catalog;

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CachedModel))]
internal sealed partial class CatalogJsonContext : JsonSerializerContext;

internal static class CatalogKinds
{
    public static readonly ResourceType<CachedModel> CachedModels =
        new("prewarm.dev", "v1alpha1", "cachedmodels", "CachedModel", CatalogJsonContext.Default.CachedModel);
}
