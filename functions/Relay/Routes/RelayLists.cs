using System.Runtime.CompilerServices;
using System.Text.Json;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Relay;

/// <summary>The lists that are told of one snapshot, each made when it is first asked for.</summary>
internal sealed class RelayLists
{
    private static readonly ConditionalWeakTable<CatalogSnapshot, RelayLists> s_known = [];

    private readonly Lazy<string[]> _names;
    private readonly Lazy<string[]> _addresses;
    private readonly Lazy<string[]> _ids;
    private readonly Lazy<byte[]> _list;
    private readonly Lazy<byte[]> _openAI;

    private RelayLists(CatalogSnapshot catalog)
    {
        _names = new(() => [.. catalog.Models.Select(m => m.ModelName()).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)]);
        _addresses = new(() => [.. catalog.Models.Select(m => m.Key().ToString()).Order(StringComparer.Ordinal)]);
        _ids = new(() => [.. catalog.Models.Select(m => Id(catalog, m)).Order(StringComparer.Ordinal)]);
        _list = new(() => JsonSerializer.SerializeToUtf8Bytes(new(Names), RelayJsonContext.Default.RelayModelList));
        _openAI = new(() => JsonSerializer.SerializeToUtf8Bytes(
            new("list", [.. catalog.Models.Select(m => Card(catalog, m)).OrderBy(c => c.Id, StringComparer.Ordinal)]), RelayJsonContext.Default.OpenAIModelList));
    }

    /// <summary>Served names, each once.</summary>
    public IReadOnlyList<string> Names => _names.Value;

    /// <summary>namespace/name of each model.</summary>
    public IReadOnlyList<string> Addresses => _addresses.Value;

    /// <summary>What an OpenAI client writes as <c>model</c>.</summary>
    public IReadOnlyList<string> Ids => _ids.Value;

    /// <summary>Body of GET /v1/models.</summary>
    public byte[] List => _list.Value;

    /// <summary>Body of GET /openai/v1/models.</summary>
    public byte[] OpenAI => _openAI.Value;

    public static RelayLists Of(CatalogSnapshot catalog) => s_known.GetValue(catalog, c => new(c));

    public static OpenAIModelCard Card(CatalogSnapshot catalog, CachedModel model) =>
        new(Id(catalog, model), "model", model.Metadata.CreationTimestamp?.ToUnixTimeSeconds() ?? 0, model.Key().Namespace);

    /// <summary>The served name where it is one model's alone, else namespace/name.</summary>
    private static string Id(CatalogSnapshot catalog, CachedModel model) =>
        catalog.ByModelName(model.ModelName()) is [_] ? model.ModelName() : model.Key().ToString();
}
