using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Pipeline;

namespace Prewarm.Functions.Scale;

/// <summary>
/// Tells of activations: a core/v1 Event, and <c>status.activation</c>. The Event's name follows from the activation, so the API server lets one of all who see it create it,
/// and that one counts and writes; no leader is needed.
/// </summary>
internal sealed class ActivationWriter(IKubeApi api, TimeProvider time, ILogger<ActivationWriter> logger)
{
    /// <summary>False: another replica, or this one before a restart, has told it.</summary>
    public async Task<bool> ClaimAsync(CachedModel model, Activation activation, string milestone, string reason, string message, bool warning, CancellationToken cancellationToken)
    {
        try
        {
            await api.CreateAsync(CoreKinds.Events, model.Metadata.Namespace, ModelEvent.Of(model, $"{activation.Id}\n{milestone}", reason, message, warning, time.GetUtcNow()), cancellationToken);
            return true;
        }
        catch (KubeApiException e) when (e.IsConflict)
        {
            return false;
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            // Without Events nobody can tell who is first: better twice than never.
            Log.ActivationUnwritten(logger, activation.Model, activation.Id, e.Message);
            return true;
        }
    }

    /// <summary>Server-side apply under a manager of its own: fields of the line's are neither sent nor taken away.</summary>
    public async Task WriteAsync(CachedModel model, Activation activation, ActivationStatus status, CancellationToken cancellationToken)
    {
        try
        {
            await api.ApplyPartAsync(ActivationKinds.Models, model.Key(), new() { Activation = status }, null, ActivationKinds.Manager, cancellationToken);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            Log.ActivationUnwritten(logger, activation.Model, activation.Id, e.Message);
        }
    }

    /// <summary>Deletes a pod, so that its Deployment makes another; false: it cannot be.</summary>
    public async Task<bool> EvictAsync(Activation activation, Pod pod, CancellationToken cancellationToken)
    {
        try
        {
            await api.DeleteAsync(CoreKinds.Pods, pod.Metadata.Namespace, pod.Metadata.Name!, pod.Metadata.Uid, false, cancellationToken);
            Log.PodMoved(logger, activation.Model, pod.Metadata.Name!, pod.Spec?.NodeName ?? "");
            return true;
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            Log.PodNotMoved(logger, activation.Model, pod.Metadata.Name!, e.Message);
            return false;
        }
    }

    /// <summary>What is written now; null: nothing, or it cannot be read.</summary>
    public async Task<ActivationStatus?> ReadAsync(ModelKey model, CancellationToken cancellationToken)
    {
        try
        {
            return (await api.GetAsync(ActivationKinds.Models, model.Namespace, model.Name, cancellationToken))?.Status?.Activation;
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException)
        {
            return null;
        }
    }
}
