using System.Text;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Reads everything that one pass decides on.</summary>
internal sealed class ModelObserver(IKubeApi api, IUploadSource uploads)
{
    /// <param name="listed">A listing of this very look: the passes after its first one need no other.</param>
    public async Task<Observed> ObserveAsync(CachedModel model, string? cause, UploadObservation? listed, CancellationToken cancellationToken)
    {
        var ns = model.Metadata.Namespace;
        var selector = Ownership.Selector(model.Metadata.Name!);
        var datasets = api.ListAsync(FluidKinds.Datasets, ns, selector, cancellationToken);
        var runtimes = api.ListAsync(FluidKinds.JindoRuntimes, ns, selector, cancellationToken);
        var loads = api.ListAsync(FluidKinds.DataLoads, ns, selector, cancellationToken);
        await Task.WhenAll(datasets, runtimes, loads);
        var service = await api.GetAsync(ServingKinds.InferenceServices, ns, model.ServiceName(), cancellationToken);
        var created = service?.Status?.Components?.GetValueOrDefault("predictor")?.LatestCreatedRevision;
        var revision = created is null ? null : await api.GetAsync(ServingKinds.Revisions, ns, created, cancellationToken);
        var observation = model.Metadata.DeletionTimestamp is null && model.Location() is not null
            ? listed ?? await ListUploadsAsync(model, cancellationToken)
            : null;
        return new(model)
        {
            Cause = cause,
            Uploads = observation,
            Datasets = (await datasets).Items,
            Runtimes = (await runtimes).Items,
            Loads = (await loads).Items,
            Service = service,
            Revision = revision,
        };
    }

    /// <summary>Reads a small object of the model's store; null when it is missing or too large.</summary>
    public async Task<byte[]?> ReadAsync(CachedModel model, string key, int maxBytes, CancellationToken cancellationToken)
    {
        var (id, secret, _) = await CredentialsAsync(model, cancellationToken);
        return await uploads.ReadAsync(model, key, maxBytes, id, secret, cancellationToken);
    }

    private async Task<UploadObservation> ListUploadsAsync(CachedModel model, CancellationToken cancellationToken)
    {
        var (id, secret, missing) = await CredentialsAsync(model, cancellationToken);
        return missing is null
            ? await uploads.ObserveAsync(model, id, secret, cancellationToken)
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
            return (null, null, $"Secret {name} (spec.source.credentialsSecret) does not exist in namespace {model.Metadata.Namespace}");
        }

        var id = Decode(secret.Data, SourceSecret.IdKey);
        var key = Decode(secret.Data, SourceSecret.SecretKey);
        return id is null || key is null
            ? (null, null, $"Secret {name} lacks the key {(id is null ? SourceSecret.IdKey : SourceSecret.SecretKey)}")
            : (id, key, null);
    }

    private static string? Decode(Dictionary<string, string>? data, string key) =>
        data?.GetValueOrDefault(key) is { Length: > 0 } text ? Encoding.UTF8.GetString(Convert.FromBase64String(text)).Trim() : null;
}
