using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Observe → plan → apply for one model at a time. Calls that arrive while a pass runs share the pass after it,
/// so a burst of object events costs two passes and not one each.
/// </summary>
internal sealed class ModelLine(IKubeApi api, IUploadSource uploads, IRevisionProver prover, TimeProvider time, ILogger<ModelLine> logger) : IModelLine
{
    private const int MaxPasses = 10;
    private readonly ConcurrentDictionary<ModelKey, Slot> _slots = new();

    public async Task<LineOutcome> AdvanceAsync(ModelKey model, CancellationToken cancellationToken)
    {
        var slot = _slots.GetOrAdd(model, static _ => new());
        Task<LineOutcome> run;
        lock (slot)
        {
            // The pass that runs now may have read before our event: ours is the next one.
            slot.Next ??= RunAfterAsync(slot.Current, model, slot);
            run = slot.Next;
        }

        return await run.WaitAsync(cancellationToken);
    }

    private async Task<LineOutcome> RunAfterAsync(Task before, ModelKey model, Slot slot)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        var done = new TaskCompletionSource();
        lock (slot)
        {
            slot.Next = null;
            slot.Current = done.Task;
        }

        try
        {
            // Shared by several callers: the cancellation of one of them must not stop it.
            return await PassesAsync(model, CancellationToken.None);
        }
        finally
        {
            done.SetResult();
        }
    }

    private async Task<LineOutcome> PassesAsync(ModelKey key, CancellationToken cancellationToken)
    {
        using var activity = LineTracing.Source.StartActivity("advance");
        activity?.SetTag("prewarm.model", key.ToString());
        try
        {
            for (var pass = 0; pass < MaxPasses; pass++)
            {
                var observed = await ObserveAsync(key, cancellationToken);
                if (observed is null)
                {
                    return LineOutcome.Gone;
                }

                var plan = LinePlanner.Settle(observed, time.GetUtcNow());
                var again = false;
                if (plan.Actions is [LineAction.Finalize { Present: true } finalize, ..])
                {
                    // Before anything else exists there is something that takes it apart again; this write moves resourceVersion.
                    await ApplyAsync(observed, plan, finalize, cancellationToken);
                    continue;
                }

                foreach (var action in plan.Actions)
                {
                    activity?.AddEvent(new(action.GetType().Name));
                    again |= await ApplyAsync(observed, plan, action, cancellationToken);
                }

                await WriteStatusAsync(observed, plan, cancellationToken);
                if (!again)
                {
                    return observed.Uploads?.Failure is { Transient: true } ? LineOutcome.Transient : LineOutcome.Settled;
                }
            }

            return LineOutcome.Settled;
        }
        catch (KubeApiException e) when (e.IsConflict || e.IsTransient)
        {
            Log.PassDeferred(logger, key, e.Message);
            return LineOutcome.Transient;
        }
        catch (HttpRequestException e)
        {
            Log.PassDeferred(logger, key, e.Message);
            return LineOutcome.Transient;
        }
        catch (KubeApiException e)
        {
            Log.PassRefused(logger, key, e.Reason, e.Message);
            return LineOutcome.Settled;
        }
    }

    private async Task<Observed?> ObserveAsync(ModelKey key, CancellationToken cancellationToken)
    {
        var model = await api.GetAsync(CatalogKinds.CachedModels, key.Namespace, key.Name, cancellationToken);
        if (model is null)
        {
            return null;
        }

        var selector = Ownership.Selector(key.Name);
        var datasets = api.ListAsync(FluidKinds.Datasets, key.Namespace, selector, cancellationToken);
        var runtimes = api.ListAsync(FluidKinds.JindoRuntimes, key.Namespace, selector, cancellationToken);
        var loads = api.ListAsync(FluidKinds.DataLoads, key.Namespace, selector, cancellationToken);
        var service = await api.GetAsync(ServingKinds.InferenceServices, key.Namespace, model.ServiceName(), cancellationToken);
        var created = service?.Status?.Components?.GetValueOrDefault("predictor")?.LatestCreatedRevision;
        var revision = created is null ? null : await api.GetAsync(ServingKinds.Revisions, key.Namespace, created, cancellationToken);
        var observation = model.Metadata.DeletionTimestamp is null && model.Location() is not null
            ? await ListUploadsAsync(model, cancellationToken)
            : null;
        return new(model)
        {
            Uploads = observation,
            Datasets = (await datasets).Items,
            Runtimes = (await runtimes).Items,
            Loads = (await loads).Items,
            Service = service,
            Revision = revision,
        };
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

    /// <summary>Applies one action; true when the model should be looked at again at once.</summary>
    private async Task<bool> ApplyAsync(Observed observed, LinePlan plan, LineAction action, CancellationToken cancellationToken)
    {
        var ns = observed.Model.Metadata.Namespace;
        switch (action)
        {
            case LineAction.Finalize finalize:
                await api.ApplyAsync(CatalogKinds.CachedModels, ns, observed.Model.Metadata.Name!, new()
                {
                    ApiVersion = CatalogKinds.CachedModels.ApiVersion,
                    Kind = CatalogKinds.CachedModels.Kind,
                    Metadata = new() { Name = observed.Model.Metadata.Name, Namespace = ns, Finalizers = finalize.Present ? [Ownership.Finalizer] : null },
                }, Ownership.FinalizerManager, force: true, null, cancellationToken);
                return false;
            case LineAction.ApplyDataset a:
                await api.ApplyAsync(FluidKinds.Datasets, ns, a.Dataset.Metadata.Name!, a.Dataset, Ownership.Manager, force: true, null, cancellationToken);
                return true;
            case LineAction.ApplyRuntime a:
                await api.ApplyAsync(FluidKinds.JindoRuntimes, ns, a.Runtime.Metadata.Name!, a.Runtime, Ownership.Manager, force: true, null, cancellationToken);
                return true;
            case LineAction.ApplyLoad a:
                await api.ApplyAsync(FluidKinds.DataLoads, ns, a.Load.Metadata.Name!, a.Load, Ownership.Manager, force: true, null, cancellationToken);
                Log.LoadStarted(logger, observed.Model.Key(), a.Load.Metadata.Name!);
                return true;
            case LineAction.ApplyService a:
                await api.ApplyAsync(ServingKinds.InferenceServices, ns, a.Service.Metadata.Name!, a.Service, Ownership.Manager, force: true, null, cancellationToken);
                return true;
            case LineAction.DeleteService a:
                return await api.DeleteAsync(ServingKinds.InferenceServices, ns, a.Name, a.Uid, now: false, cancellationToken);
            case LineAction.DeleteLoad a:
                return await api.DeleteAsync(FluidKinds.DataLoads, ns, a.Name, a.Uid, now: false, cancellationToken);
            case LineAction.DeleteDataset a:
                return await api.DeleteAsync(FluidKinds.Datasets, ns, a.Name, a.Uid, now: false, cancellationToken);
            case LineAction.DeleteRuntime a:
                return await api.DeleteAsync(FluidKinds.JindoRuntimes, ns, a.Name, a.Uid, now: false, cancellationToken);
            case LineAction.Prove a:
                return await ProveAsync(observed, plan, a, cancellationToken);
            default:
                throw new InvalidOperationException($"no step for {action.GetType().Name}");
        }
    }

    private async Task<bool> ProveAsync(Observed observed, LinePlan plan, LineAction.Prove prove, CancellationToken cancellationToken)
    {
        var (id, secret, _) = await CredentialsAsync(observed.Model, cancellationToken);
        var golden = await uploads.ReadAsync(observed.Model, prove.GoldenKey, 1 << 20, id, secret, cancellationToken);
        var timeout = TimeSpan.FromSeconds(observed.Model.Spec!.Rollout.GoldenTimeoutSeconds);
        var (passed, message) = golden is null
            ? (false, $"{prove.GoldenKey} cannot be read or is larger than 1 MiB")
            : await prover.ProveAsync(new Uri(prove.Url), observed.Model.ModelName(), golden, timeout, cancellationToken);
        var version = plan.Status.Versions!.Find(v => v.Name == prove.Version)!;
        version.Golden = passed ? "Passed" : "Failed";
        version.Message = message;
        return true;
    }

    private async Task WriteStatusAsync(Observed observed, LinePlan plan, CancellationToken cancellationToken)
    {
        var model = observed.Model;
        if (plan.Status.Phase == "Deleting" && plan.Actions.Any(a => a is LineAction.Finalize))
        {
            return;
        }

        var desired = new CachedModel
        {
            ApiVersion = CatalogKinds.CachedModels.ApiVersion,
            Kind = CatalogKinds.CachedModels.Kind,
            // The resourceVersion makes a second replica that read earlier fail with a conflict and not win with old news.
            Metadata = new() { Name = model.Metadata.Name, Namespace = model.Metadata.Namespace, ResourceVersion = model.Metadata.ResourceVersion },
            Status = plan.Status,
        };
        if (LinePlanner.Same(model.Status, plan.Status))
        {
            return;
        }

        await api.ApplyAsync(CatalogKinds.CachedModels, model.Metadata.Namespace, model.Metadata.Name!, desired, Ownership.StatusManager, force: true, "status", cancellationToken);
        if (model.Status?.Phase != plan.Status.Phase)
        {
            Log.PhaseChanged(logger, model.Key(), model.Status?.Phase ?? "none", plan.Status.Phase!);
        }
    }

    private sealed class Slot
    {
        public Task Current { get; set; } = Task.CompletedTask;
        public Task<LineOutcome>? Next { get; set; }
    }
}
