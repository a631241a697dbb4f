using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Finds the models that no event told of:
/// 1. every kind is listed once; 2. each model is planned on those lists and a listing of its store, a few at once;
/// 3. one for which something is to be done gets a look of its own, which reads anew.
/// </summary>
internal sealed class ModelSweep(IKubeApi api, IUploadSource uploads, ICatalog catalog, IModelLine line, TimeProvider time, ILogger<ModelSweep> logger) : IDisposable
{
    /// <summary>Models at once in the survey: the store and the API server serve others too.</summary>
    internal const int AtOnce = 8;

    /// <summary>Looks at once. More than in the survey, because one may wait minutes for a golden prediction.</summary>
    private const int LooksAtOnce = 64;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _looks = new(LooksAtOnce);
    private Task<IReadOnlyList<ModelKey>> _survey = Task.FromResult<IReadOnlyList<ModelKey>>([]);

    /// <summary>One outcome for each model that was looked at. A survey that is asked for while one runs is that one.</summary>
    public async Task<LineOutcome[]> RunAsync(CancellationToken cancellationToken)
    {
        Task<IReadOnlyList<ModelKey>> survey;
        lock (_lock)
        {
            // Shared: whoever gives up waiting does not stop it.
            survey = _survey = _survey.IsCompleted ? SurveyAsync(catalog.Current.Models) : _survey;
        }

        var due = await survey.WaitAsync(cancellationToken);
        return await Task.WhenAll(due.Select(key => LookAsync(key, cancellationToken)));
    }

    public void Dispose() => _looks.Dispose();

    private async Task<IReadOnlyList<ModelKey>> SurveyAsync(IReadOnlyList<CachedModel> models)
    {
        await Task.Yield();
        // 1
        var observer = new ModelObserver(new ClusterListing(api), uploads, catalog);
        var due = new ConcurrentBag<ModelKey>();
        await Parallel.ForEachAsync(models, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (model, cancellationToken) =>
        {
            // 2
            if (!await QuietAsync(observer, model, cancellationToken))
            {
                due.Add(model.Key());
            }
        });
        return [.. due];
    }

    /// <summary>True: nothing is to be done and the status says what it should.</summary>
    private async Task<bool> QuietAsync(ModelObserver observer, CachedModel model, CancellationToken cancellationToken)
    {
        if (model.Status is null || model.Status.ObservedGeneration != model.Metadata.Generation)
        {
            return false;
        }

        try
        {
            var observed = await observer.ObserveAsync(model, null, null, fresh: true, cancellationToken);
            var plan = LinePlanner.Settle(observed, time.GetUtcNow());
            return plan.Actions.Count == 0 && observed.Uploads?.Failure is not { Transient: true } && LinePlanner.Same(model.Status, plan.Status);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException)
        {
            // Its own look says what is wrong, where its owner sees it.
            Log.PassDeferred(logger, model.Key(), e.Message);
            return false;
        }
    }

    private async Task<LineOutcome> LookAsync(ModelKey key, CancellationToken cancellationToken)
    {
        // 3
        await _looks.WaitAsync(cancellationToken);
        try
        {
            // The survey listed the store a moment ago.
            return await line.AdvanceAsync(key, null, fresh: false, cancellationToken);
        }
        finally
        {
            _looks.Release();
        }
    }
}
