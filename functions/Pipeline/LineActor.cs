using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Carries out the steps of a plan, each under a span of the trace that its version's upload began.</summary>
internal sealed class LineActor(IKubeApi api, ModelObserver observer, IRevisionProver prover, ILogger logger)
{
    /// <summary>Applies one action; true when the model should be looked at again at once.</summary>
    public async Task<bool> ApplyAsync(Observed observed, LinePlan plan, LineAction action, CancellationToken cancellationToken)
    {
        using var span = LineTracing.Step(action, observed.Model.Key(), plan.Status);
        try
        {
            return await StepAsync(observed, plan, action, cancellationToken);
        }
        catch (Exception e)
        {
            span?.SetStatus(System.Diagnostics.ActivityStatusCode.Error, e.Message);
            throw;
        }
    }

    private async Task<bool> StepAsync(Observed observed, LinePlan plan, LineAction action, CancellationToken cancellationToken)
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
                await ApplyAsync(FluidKinds.Datasets, ns, a.Dataset.Metadata.Name!, a.Dataset, cancellationToken);
                return true;
            case LineAction.ApplyRuntime a:
                await ApplyAsync(FluidKinds.JindoRuntimes, ns, a.Runtime.Metadata.Name!, a.Runtime, cancellationToken);
                return true;
            case LineAction.ApplyLoad a:
                await ApplyAsync(FluidKinds.DataLoads, ns, a.Load.Metadata.Name!, a.Load, cancellationToken);
                Log.LoadStarted(logger, observed.Model.Key(), a.Load.Metadata.Name!);
                return true;
            case LineAction.ApplyService a:
                await ApplyAsync(ServingKinds.InferenceServices, ns, a.Service.Metadata.Name!, a.Service, cancellationToken);
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
                await ProveAsync(observed, plan, a, cancellationToken);
                return true;
            default:
                throw new InvalidOperationException($"no step for {action.GetType().Name}");
        }
    }

    private Task<T> ApplyAsync<T>(ResourceType<T> type, string? ns, string name, T desired, CancellationToken cancellationToken)
        where T : class =>
        api.ApplyAsync(type, ns, name, desired, Ownership.Manager, force: true, null, cancellationToken);

    private async Task ProveAsync(Observed observed, LinePlan plan, LineAction.Prove prove, CancellationToken cancellationToken)
    {
        var golden = await observer.ReadAsync(observed.Model, prove.GoldenKey, GoldenFile.MaxBytes, cancellationToken);
        var timeout = TimeSpan.FromSeconds(observed.Model.Spec!.Rollout.GoldenTimeoutSeconds);
        var (passed, message) = golden is null
            ? (false, $"{prove.GoldenKey} cannot be read or is larger than 1 MiB")
            : await prover.ProveAsync(new Uri(prove.Url), observed.Model.ModelName(), golden, timeout, cancellationToken);
        var version = plan.Status.Versions!.Find(v => v.Name == prove.Version)!;
        version.Golden = passed ? "Passed" : "Failed";
        version.Message = message;
    }
}
