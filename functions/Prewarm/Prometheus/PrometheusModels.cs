using System.Globalization;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Prewarm;

/// <summary>
/// Which model a series counts calls of, pure, and which of its minutes count: 1. the namespace by the first label of <see cref="Namespaces"/> that it has, 2. the model by the first of <see cref="Names"/> that names one: its revision
/// (also as a Service, a Deployment or a Pod of it), the Knative Service or configuration, the InferenceService, or the CachedModel (there also as namespace/name); 3. a version's golden questions go the way of a call and cannot be told from one, so minutes of
/// a version that did not serve yet do not count, and of the whole model, where a series does not name the revision, none while a version is brought in.
/// </summary>
internal sealed class PrometheusModels
{
    public static readonly string[] Namespaces = ["namespace", "k8s_namespace_name", "namespace_name", "destination_service_namespace", "destination_workload_namespace", "exported_namespace"];

    public static readonly string[] Names =
    [
        "revision", "kn_revision_name", "revision_name", "destination_service_name", "destination_workload", "destination_canonical_service",
        "inferenceservice", "configuration", "kn_configuration_name", "configuration_name", "kn_service_name", "service_name", "pod", "model",
    ];

    /// <summary>How long after it began to serve a version's golden questions may still be seen, with the minute that they are in.</summary>
    private static readonly TimeSpan Proven = TimeSpan.FromMinutes(3);

    private const string Deployment = "-deployment";
    private readonly Dictionary<(string Namespace, string Name), (CachedModel Model, VersionStatus? Version)> _names = [];

    private readonly IReadOnlyDictionary<ModelKey, CachedModel> _models;

    public PrometheusModels(CatalogSnapshot models)
    {
        _models = models.ByKey;
        // Revisions first: what names one exactly means it.
        foreach (var model in models.Models)
        {
            foreach (var version in (model.Status?.Versions ?? []).Where(v => v.Revision is { Length: > 0 }))
            {
                _names.TryAdd((model.Key().Namespace, version.Revision!), (model, version));
            }
        }

        foreach (var model in models.Models)
        {
            var service = model.ServiceName();
            foreach (var name in (string[])[service + "-predictor", service + "-predictor-default", service])
            {
                _names.TryAdd((model.Key().Namespace, name), (model, null));
            }
        }

        foreach (var model in models.Models)
        {
            _names.TryAdd((model.Key().Namespace, model.Key().Name), (model, null));
        }
    }

    /// <summary>The model, and the version where the series names its revision; null: it is nobody's.</summary>
    public (CachedModel Model, VersionStatus? Version)? Find(IReadOnlyDictionary<string, string> labels)
    {
        // 1
        var ns = Array.Find(Namespaces, n => labels.TryGetValue(n, out var value) && value.Length > 0) is { } label ? labels[label] : null;
        if (labels.TryGetValue("model", out var address) && address.IndexOf('/', StringComparison.Ordinal) is var slash and > 0)
        {
            return _models.TryGetValue(new(address[..slash], address[(slash + 1)..]), out var model) ? (model, null) : null;
        }

        // 2
        foreach (var name in Names)
        {
            if (ns is not null && labels.TryGetValue(name, out var value) && value.Length > 0 && Named(ns, value) is { } found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>3: whether what came in a minute may be calls.</summary>
    public static bool Counts(CachedModel model, VersionStatus? version, DateTimeOffset minute)
    {
        return version is not null ? Serves(version, minute) : (model.Status?.Versions ?? []).TrueForAll(v => v.RolloutStartedAt is not { } began || minute + TimeSpan.FromMinutes(1) <= began || Serves(v, minute) || v.State is "Refused" or "Retired");

        static bool Serves(VersionStatus version, DateTimeOffset minute) => version.ServingSince is { } since && minute >= since + Proven;
    }

    private (CachedModel Model, VersionStatus? Version)? Named(string ns, string value)
    {
        // A host, a Deployment's name, a Pod's (the Deployment's and more), a revision that no status names.
        var name = value.IndexOf('.', StringComparison.Ordinal) is var dot and > 0 ? value[..dot] : value;
        name = name.IndexOf(Deployment, StringComparison.Ordinal) is var end and > 0 ? name[..end] : name;
        return _names.TryGetValue((ns, name), out var found) ? found
            : name.Length > 6 && name[^6] == '-' && int.TryParse(name.AsSpan(name.Length - 5), NumberStyles.None, CultureInfo.InvariantCulture, out _) && _names.TryGetValue((ns, name[..^6]), out found) ? (found.Model, null)
            : null;
    }
}
