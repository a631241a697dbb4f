using System.Text;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Reads everything that one pass decides on.</summary>
internal sealed class ModelObserver(IKubeReader api, IUploadSource uploads, ICatalog? catalog = null)
{
    /// <param name="upload">See <see cref="Observed.Upload"/>.</param>
    /// <param name="fresh">The first pass lists the store again (<see cref="IUploadSource.ObserveAsync"/>).</param>
    /// <param name="listed">A listing of this very look: the passes after its first one need no other.</param>
    public async Task<Observed> ObserveAsync(CachedModel model, string? upload, UploadObservation? listed, bool fresh, CancellationToken cancellationToken)
    {
        var ns = model.Metadata.Namespace;
        if (model.Metadata.DeletionTimestamp is null && SpecChecks.Of(model).Count > 0)
        {
            // Nothing will be made; and names that no object can have are not asked for.
            return new(model) { Upload = upload };
        }

        // All at once: none of them decides whether another is asked, and a look's time is the sum of what is asked one after another.
        var selector = Ownership.Selector(model.Metadata.Name!);
        var datasets = api.ListAsync(FluidKinds.Datasets, ns, selector, cancellationToken);
        var runtimes = api.ListAsync(FluidKinds.JindoRuntimes, ns, selector, cancellationToken);
        var loads = api.ListAsync(FluidKinds.DataLoads, ns, selector, cancellationToken);
        var serving = ServingAsync(model, cancellationToken);
        var adopted = AdoptedAsync(model, cancellationToken);
        var pods = PodsAsync(model, cancellationToken);
        var workers = WorkersAsync(datasets, adopted, cancellationToken);
        var observation = model.Metadata.DeletionTimestamp is null && model.Location() is not null
            ? UploadsAsync(model, listed, fresh, cancellationToken)
            : null;
        await Task.WhenAll([datasets, runtimes, loads, serving, adopted, pods, workers, observation ?? Task.CompletedTask]);
        return new(model)
        {
            Upload = upload,
            Uploads = observation is null ? null : await observation,
            Adopted = (await adopted).Dataset,
            AdoptedRuntime = (await adopted).Runtime,
            WorkerNodes = await workers,
            PodNodes = Nodes(await pods),
            Unplaced = Unplaced(await pods),
            Datasets = (await datasets).Items,
            Runtimes = (await runtimes).Items,
            Loads = (await loads).Items,
            Service = (await serving).Service,
            Claim = catalog is null ? null : Claims.Of(model, catalog.Current),
            Revision = (await serving).Revision,
        };
    }

    /// <summary>
    /// Adds what a plan is about to write and no list has shown: it is not there, has lost our label, or is somebody else's. All at once, because a look's time is what is asked one after another.
    /// </summary>
    public async Task<Observed> ByNameAsync(Observed observed, IReadOnlyList<LineAction> actions, CancellationToken cancellationToken)
    {
        var ns = observed.Model.Metadata.Namespace;
        var datasets = Missing(FluidKinds.Datasets, observed.Datasets, actions.OfType<LineAction.ApplyDataset>().Select(a => a.Dataset));
        var runtimes = Missing(FluidKinds.JindoRuntimes, observed.Runtimes, actions.OfType<LineAction.ApplyRuntime>().Select(a => a.Runtime));
        var loads = Missing(FluidKinds.DataLoads, observed.Loads, actions.OfType<LineAction.ApplyLoad>().Select(a => a.Load));
        return observed with { Datasets = await datasets, Runtimes = await runtimes, Loads = await loads };

        async Task<IReadOnlyList<T>> Missing<T>(ResourceType<T> type, IReadOnlyList<T> shown, IEnumerable<T> wanted)
            where T : class, IKubeObject
        {
            var found = await Task.WhenAll(wanted.Select(w => w.Metadata.Name!).Where(name => !shown.Any(s => s.Metadata.Name == name)).Select(name => api.GetAsync(type, ns, name, cancellationToken)));
            return found.Length == 0 ? shown : [.. shown, .. found.OfType<T>()];
        }
    }

    /// <summary>Reads a small object of the model's store; null when it is missing or too large.</summary>
    public async Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, CancellationToken cancellationToken)
    {
        var (id, secret, _) = await CredentialsAsync(model, cancellationToken);
        return await uploads.ReadAsync(model, key, maxBytes, id, secret, cancellationToken);
    }

    private async Task<(InferenceService? Service, Revision? Revision)> ServingAsync(CachedModel model, CancellationToken cancellationToken)
    {
        var ns = model.Metadata.Namespace;
        var service = SpecChecks.ServingName(model.ServiceName()) ? await api.GetAsync(ServingKinds.InferenceServices, ns, model.ServiceName(), cancellationToken) : null;
        var created = service?.Status?.Components?.GetValueOrDefault("predictor")?.LatestCreatedRevision;
        return (service, created is null ? null : await api.GetAsync(ServingKinds.Revisions, ns, created, cancellationToken));
    }

    private async Task<(Dataset? Dataset, JindoRuntime? Runtime)> AdoptedAsync(CachedModel model, CancellationToken cancellationToken)
    {
        var (ns, existing) = (model.Metadata.Namespace, model.Spec?.Cache.ExistingDataset?.Name);
        var dataset = SpecChecks.ObjectName(existing) ? await api.GetAsync(FluidKinds.Datasets, ns, existing!, cancellationToken) : null;
        return (dataset, dataset is null ? null : await api.GetAsync(FluidKinds.JindoRuntimes, ns, existing!, cancellationToken));
    }

    /// <summary>The nodes with a cache worker, by Dataset. Worth knowing, not worth failing for: a role without Nodes sees none.</summary>
    private async Task<Dictionary<string, IReadOnlyList<string>>> WorkersAsync(
        Task<KubeList<Dataset>> own, Task<(Dataset? Dataset, JindoRuntime? Runtime)> adopted, CancellationToken cancellationToken)
    {
        var datasets = (await own).Items.Concat((await adopted).Dataset is { } existing ? [existing] : []);
        var workers = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        try
        {
            foreach (var (name, nodes) in await Task.WhenAll(datasets.Select(NodesAsync)))
            {
                workers[name] = nodes;
            }
        }
        catch (KubeApiException e) when (!e.IsTransient)
        {
            // Forbidden: the verdict says NodesUnseen.
        }

        return workers;

        async Task<(string, IReadOnlyList<string>)> NodesAsync(Dataset dataset)
        {
            var label = FluidNames.WorkerLabel(dataset.Metadata.Namespace, dataset.Metadata.Name!, dataset.Metadata.Uid);
            var nodes = await api.ListAsync(CoreKinds.Nodes, null, $"{label}=true", cancellationToken);
            return (dataset.Metadata.Name!, [.. nodes.Items.Select(n => n.Metadata.Name!).Order(StringComparer.Ordinal)]);
        }
    }

    /// <summary>The nodes with a predictor pod, by revision.</summary>
    private static ILookup<string, string> Nodes(IReadOnlyList<Pod> pods) => pods.Where(p => p.Spec?.NodeName is not null).ToLookup(Revision, p => p.Spec!.NodeName!);

    /// <summary>Since when a pod finds no node, as the scheduler says (PodScheduled False, Unschedulable), by revision.</summary>
    private static Dictionary<string, DateTimeOffset> Unplaced(IReadOnlyList<Pod> pods) => pods.Where(p => p.Spec?.NodeName is null)
        .Select(p => (Revision: Revision(p), Since: p.Status?.Conditions?.Find(c => c is { Type: "PodScheduled", Status: "False", Reason: "Unschedulable" }) is { } c ? p.Metadata.CreationTimestamp ?? c.LastTransitionTime : null))
        .Where(p => p.Since is not null).GroupBy(p => p.Revision, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Min(p => p.Since!.Value), StringComparer.Ordinal);

    private static string Revision(Pod pod) => pod.Metadata.Labels?.GetValueOrDefault("serving.knative.dev/revision") ?? "";

    /// <summary>The predictor pods that nobody has deleted; none for a role without Pods.</summary>
    private async Task<IReadOnlyList<Pod>> PodsAsync(CachedModel model, CancellationToken cancellationToken)
    {
        IReadOnlyList<Pod> pods = [];
        try
        {
            // KServe's label, Knative's for the revision.
            pods = (await api.ListAsync(CoreKinds.Pods, model.Metadata.Namespace, $"{ServingKinds.ServiceLabel}={model.ServiceName()}", cancellationToken)).Items;
        }
        catch (KubeApiException e) when (!e.IsTransient)
        {
            // Forbidden, as with the nodes.
        }

        return [.. pods.Where(p => p.Metadata.DeletionTimestamp is null)];
    }

    private async Task<UploadObservation> UploadsAsync(CachedModel model, UploadObservation? listed, bool fresh, CancellationToken cancellationToken)
    {
        var last = listed ?? (fresh ? null : await ListUploadsAsync(model, fresh: false, cancellationToken));
        return last is not null && !VersionLedger.Outdated(model.Status?.Versions ?? [], last) ? last : await ListUploadsAsync(model, fresh: true, cancellationToken);
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
