using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Upload;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Pipeline;

/// <summary>Carries out the steps of a plan, each under a span of the trace that its version's upload began.</summary>
internal sealed class LineActor(IKubeApi api, ModelObserver observer, IRevisionProver prover, TimeProvider time, ILogger logger)
{
    /// <summary>Until golden questions that nobody answered are asked again.</summary>
    internal static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(30);

    /// <summary>Applies one action.</summary>
    /// <param name="observed">With what <see cref="ModelObserver.ByNameAsync"/> has found.</param>
    public async Task<Done> ApplyAsync(Observed observed, LinePlan plan, LineAction action, CancellationToken cancellationToken)
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

    private async Task<Done> StepAsync(Observed observed, LinePlan plan, LineAction action, CancellationToken cancellationToken)
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
                return default;
            case LineAction.ApplyDataset a:
                return (await ApplyAsync(FluidKinds.Datasets, observed.Model, observed.Datasets, a.Dataset, cancellationToken)).Done;
            case LineAction.ApplyRuntime a:
                return (await ApplyAsync(FluidKinds.JindoRuntimes, observed.Model, observed.Runtimes, a.Runtime, cancellationToken)).Done;
            case LineAction.ApplyLoad a:
                var load = await ApplyAsync(FluidKinds.DataLoads, observed.Model, observed.Loads, a.Load, cancellationToken);
                if (load.Made)
                {
                    Log.LoadStarted(logger, observed.Model.Key(), a.Load.Metadata.Name!);
                }

                return load.Done;
            case LineAction.ApplyService a:
                return new(await ServeAsync(observed, a.Service, cancellationToken));
            case LineAction.DeleteService a:
                return new(await api.DeleteAsync(ServingKinds.InferenceServices, ns, a.Name, a.Uid, now: false, cancellationToken));
            case LineAction.DeleteLoad a:
                return new(await api.DeleteAsync(FluidKinds.DataLoads, ns, a.Name, a.Uid, now: false, cancellationToken));
            case LineAction.DeleteDataset a:
                return new(await api.DeleteAsync(FluidKinds.Datasets, ns, a.Name, a.Uid, now: false, cancellationToken));
            case LineAction.DeleteRuntime a:
                return new(await api.DeleteAsync(FluidKinds.JindoRuntimes, ns, a.Name, a.Uid, now: false, cancellationToken));
            case LineAction.Prove a:
                await ProveAsync(observed, plan, a, cancellationToken);
                return new(true);
            default:
                throw new InvalidOperationException($"no step for {action.GetType().Name}");
        }
    }

    /// <exception cref="ForeignObjectException">The name is taken.</exception>
    private async Task<Written<T>> ApplyAsync<T>(ResourceType<T> type, CachedModel model, IReadOnlyList<T> observed, T desired, CancellationToken cancellationToken)
        where T : class, IKubeObject
    {
        var (ns, name) = (model.Metadata.Namespace, desired.Metadata.Name!);
        var before = observed.FirstOrDefault(o => o.Metadata.Name == name);
        if (before is not null && Ownership.Foreign(model, before.Metadata))
        {
            throw new ForeignObjectException(type.Kind, name);
        }

        var after = await api.ApplyAsync(type, ns, name, desired, Ownership.Manager, force: true, null, cancellationToken);
        // Something that another writer insists on stays as it is, and is no reason to look again at once.
        return new(after, before is null, before is null || before.Metadata.ResourceVersion != after.Metadata.ResourceVersion);
    }

    private async Task<bool> ServeAsync(Observed observed, InferenceService desired, CancellationToken cancellationToken)
    {
        // A replica that decided on an older service must not turn it back: that would be another revision and a cold start.
        desired.Metadata.ResourceVersion = observed.Service?.Metadata.ResourceVersion;
        if (observed.Service is null && await api.GetAsync(ServingKinds.InferenceServices, observed.Model.Metadata.Namespace, desired.Metadata.Name!, cancellationToken) is not null)
        {
            return true;
        }

        IReadOnlyList<InferenceService> before = observed.Service is null ? [] : [observed.Service];
        var written = await ApplyAsync(ServingKinds.InferenceServices, observed.Model, before, desired, cancellationToken);
        if (desired.Spec?.Predictor is { } predictor && !predictor.ContainsKey("canaryTrafficPercent") && ServingObjects.Shared(written.Object))
        {
            ServingObjects.GiveAll(desired);
            desired.Metadata.ResourceVersion = written.Object.Metadata.ResourceVersion;
            await ApplyAsync(ServingKinds.InferenceServices, observed.Model, [written.Object], desired, cancellationToken);
            return true;
        }

        return written.Changed;
    }

    private async Task ProveAsync(Observed observed, LinePlan plan, LineAction.Prove prove, CancellationToken cancellationToken)
    {
        var golden = await observer.ReadAsync(observed.Model, prove.GoldenKey, GoldenFile.MaxBytes, cancellationToken);
        var timeout = TimeSpan.FromSeconds(observed.Model.Spec!.Rollout.GoldenTimeoutSeconds);
        var (outcome, message) = golden is null
            ? (GoldenOutcome.Failed, $"{prove.GoldenKey} cannot be read or is larger than 1 MiB")
            : await prover.ProveAsync(new Uri(prove.Url), observed.Model.ModelName(), golden, timeout, cancellationToken);
        var version = plan.Status.Versions!.Find(v => v.Name == prove.Version)!;
        version.Golden = outcome switch { GoldenOutcome.Passed => "Passed", GoldenOutcome.Failed => "Failed", _ => null };
        version.GoldenRetryAt = outcome == GoldenOutcome.Unanswered ? Conditions.Seconds(time.GetUtcNow() + AskAgain) : null;
        version.Message = message;
    }

    /// <param name="Again">The model should be looked at again at once.</param>
    /// <param name="Written">What the API server answered to a Dataset, JindoRuntime or DataLoad.</param>
    public readonly record struct Done(bool Again, IKubeObject? Written = null);

    private readonly record struct Written<T>(T Object, bool Made, bool Changed)
        where T : class, IKubeObject
    {
        public Done Done => new(Changed, Object);
    }
}
