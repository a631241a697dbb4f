using System.Text;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Reads everything that one pass decides on.</summary>
internal sealed class ModelObserver(IKubeApi api, IUploadSource uploads, ICatalog? catalog = null)
{
    /// <param name="fresh">The first pass lists the store again (<see cref="IUploadSource.ObserveAsync"/>).</param>
    /// <param name="listed">A listing of this very look: the passes after its first one need no other.</param>
    public async Task<Observed> ObserveAsync(CachedModel model, string? cause, UploadObservation? listed, bool fresh, CancellationToken cancellationToken)
    {
        var ns = model.Metadata.Namespace;
        if (model.Metadata.DeletionTimestamp is null && SpecChecks.Of(model).Count > 0)
        {
            // Nothing will be made; and names that no object can have are not asked for.
            return new(model) { Cause = cause };
        }

        var selector = Ownership.Selector(model.Metadata.Name!);
        var datasets = api.ListAsync(FluidKinds.Datasets, ns, selector, cancellationToken);
        var runtimes = api.ListAsync(FluidKinds.JindoRuntimes, ns, selector, cancellationToken);
        var loads = api.ListAsync(FluidKinds.DataLoads, ns, selector, cancellationToken);
        await Task.WhenAll(datasets, runtimes, loads);
        var service = SpecChecks.ServingName(model.ServiceName()) ? await api.GetAsync(ServingKinds.InferenceServices, ns, model.ServiceName(), cancellationToken) : null;
        var created = service?.Status?.Components?.GetValueOrDefault("predictor")?.LatestCreatedRevision;
        var revision = created is null ? null : await api.GetAsync(ServingKinds.Revisions, ns, created, cancellationToken);
        var observation = model.Metadata.DeletionTimestamp is null && model.Location() is not null
            ? listed ?? await ListUploadsAsync(model, fresh, cancellationToken)
            : null;
        var existing = model.Spec?.Cache.ExistingDataset?.Name;
        var adopted = !SpecChecks.ObjectName(existing) ? null : await api.GetAsync(FluidKinds.Datasets, ns, existing!, cancellationToken);
        var (workers, pods) = await PlacesAsync(model, adopted is null ? (await datasets).Items : [.. (await datasets).Items, adopted], cancellationToken);
        return new(model)
        {
            Cause = cause,
            Uploads = observation,
            Adopted = adopted,
            AdoptedRuntime = adopted is null ? null : await api.GetAsync(FluidKinds.JindoRuntimes, ns, existing!, cancellationToken),
            WorkerNodes = workers,
            PodNodes = pods,
            Datasets = (await datasets).Items,
            Runtimes = (await runtimes).Items,
            Loads = (await loads).Items,
            Service = service,
            Claim = catalog is null ? null : Claims.Of(model, catalog.Current),
            Revision = revision,
        };
    }

    /// <summary>Reads a small object of the model's store; null when it is missing or too large.</summary>
    public async Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, CancellationToken cancellationToken)
    {
        var (id, secret, _) = await CredentialsAsync(model, cancellationToken);
        return await uploads.ReadAsync(model, key, maxBytes, id, secret, cancellationToken);
    }

    /// <summary>Where cache workers and predictor pods are. Worth knowing, not worth failing for: a role without Nodes or Pods sees none.</summary>
    private async Task<(Dictionary<string, IReadOnlyList<string>> Workers, ILookup<string, string> Pods)> PlacesAsync(
        CachedModel model, IReadOnlyList<Dataset> datasets, CancellationToken cancellationToken)
    {
        var workers = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        ILookup<string, string> pods = Array.Empty<string>().ToLookup(p => p);
        try
        {
            foreach (var dataset in datasets)
            {
                var label = FluidNames.WorkerLabel(dataset.Metadata.Namespace, dataset.Metadata.Name!, dataset.Metadata.Uid);
                var nodes = await api.ListAsync(CoreKinds.Nodes, null, $"{label}=true", cancellationToken);
                workers[dataset.Metadata.Name!] = [.. nodes.Items.Select(n => n.Metadata.Name!).Order(StringComparer.Ordinal)];
            }

            // KServe's label, Knative's for the revision.
            var list = await api.ListAsync(CoreKinds.Pods, model.Metadata.Namespace, $"serving.kserve.io/inferenceservice={model.ServiceName()}", cancellationToken);
            pods = list.Items.Where(p => p.Metadata.DeletionTimestamp is null && p.Spec?.NodeName is not null)
                .ToLookup(p => p.Metadata.Labels?.GetValueOrDefault("serving.knative.dev/revision") ?? "", p => p.Spec!.NodeName!);
        }
        catch (KubeApiException e) when (!e.IsTransient)
        {
            // Forbidden: the verdict says NodesUnseen.
        }

        return (workers, pods);
    }

    private async Task<UploadObservation> ListUploadsAsync(CachedModel model, bool fresh, CancellationToken cancellationToken)
    {
        var (id, secret, missing) = await CredentialsAsync(model, cancellationToken);
        return missing is null
            ? await uploads.ObserveAsync(model, id, secret, fresh, cancellationToken)
            : UploadObservation.Failed("CredentialsMissing", missing, transient: false);
    }

    private async Task<(string? Id, string? Secret, string? Missing)> CredentialsAsync(CachedModel model, CancellationToken cancellationToken)
    {
        if (model.Spec?.Source.CredentialsSecret is not { Length: > 0 } name)
        {
            return default;
        }

        var secret = await api.GetAsync(CoreKinds.Secrets, model.Metadata.Namespace, name, cancellationToken);
        if (secret is null)
        {
            return (null, null, $"spec.source.credentialsSecret is '{name}': there is no such Secret in namespace {model.Metadata.Namespace}: make it, with the keys {SourceSecret.IdKey} and {SourceSecret.SecretKey}, or correct the name");
        }

        var id = Decode(secret.Data, SourceSecret.IdKey);
        var key = Decode(secret.Data, SourceSecret.SecretKey);
        return id is null || key is null
            ? (null, null, $"spec.source.credentialsSecret is '{name}': that Secret lacks the key {(id is null ? SourceSecret.IdKey : SourceSecret.SecretKey)}, or it is empty: write it")
            : (id, key, null);
    }

    private static string? Decode(Dictionary<string, string>? data, string key)
    {
        var text = data?.GetValueOrDefault(key) ?? "";
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length) && Encoding.UTF8.GetString(bytes, 0, length).Trim() is { Length: > 0 } value ? value : null;
    }
}
