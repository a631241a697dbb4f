using System.Text.Json;
using System.Text.Json.Serialization;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Operate;

/// <summary>One question of a readiness report and its answer.</summary>
internal sealed record HealthCheck(string Name, bool Ok, string? Message);

/// <summary>Body of /readyz.</summary>
internal sealed record HealthReport(bool Ready, IReadOnlyList<HealthCheck> Checks)
{
    /// <summary>
    /// Ready once all CachedModels were read. An API server that is away later is said but does not make this process unready:
    /// the relay answers from memory and events are answered with 503, while taking every replica out of rotation would stop predictions.
    /// </summary>
    /// <param name="ending">The process was asked to end: no new requests, please.</param>
    public static HealthReport Of(ICatalog catalog, ICatalogContact contact, bool ending = false)
    {
        var synced = catalog.Synced.IsCompletedSuccessfully;
        HealthCheck[] checks =
        [
            new("catalogSynced", synced, synced ? null : "the CachedModels have not been listed yet"),
            new("running", !ending, ending ? "this process ends" : null),
            new("apiServer", contact.Failure is null, contact.Failure),
        ];
        return new(synced && !ending, checks);
    }
}

/// <summary>One CachedModel as /api/models shows it.</summary>
internal sealed record ModelView(string Namespace, string Name, string ModelName, CachedModelStatus? Status)
{
    public static ModelView Of(CachedModel model) => new(model.Key().Namespace, model.Key().Name, model.ModelName(), model.Status);
}

internal sealed record ModelList(IReadOnlyList<ModelView> Items);

internal sealed record OperateProblem(string Error);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HealthReport))]
[JsonSerializable(typeof(ModelView))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(OperateProblem))]
internal sealed partial class OperateJsonContext : JsonSerializerContext;
