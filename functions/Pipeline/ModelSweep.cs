using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Upload;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Finds the models that no event told of:
/// 1. every kind is listed for a hundred models; 2. each is planned on those lists and a listing of its store, a few at once;
/// 3. one for which something is to be done gets a look of its own, which reads anew;
/// 4. one that is on its way is looked at until it rests (<see cref="SweepFollower"/>): nobody need wait for that.
/// </summary>
internal sealed class ModelSweep : IDisposable
{
    /// <summary>Models at once in the survey: the store and the API server serve others too.</summary>
    internal const int AtOnce = 8;

    /// <summary>Models to a list, so that memory does not grow with the cluster. Their names fit into an address: a hundred of 63 characters are 7 KB.</summary>
    internal const int ToAList = 100;

    /// <summary>Looks at once. More than in the survey, because one may wait minutes for a golden prediction.</summary>
    private const int LooksAtOnce = 64;

    private readonly IKubeApi _api;
    private readonly IUploadSource _uploads;
    private readonly ICatalog _catalog;
    private readonly IModelLine _line;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SweepFollower _follower;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _looks = new(LooksAtOnce);
    private Task<IReadOnlyList<ModelKey>> _survey = Task.FromResult<IReadOnlyList<ModelKey>>([]);

    public ModelSweep(IKubeApi api, IUploadSource uploads, ICatalog catalog, IModelLine line, TimeProvider time, ILogger<ModelSweep> logger)
    {
        (_api, _uploads, _catalog, _line, _time, _logger) = (api, uploads, catalog, line, time, logger);
        _follower = new(api, line, LookAsync, time, logger);
    }

    /// <summary>One outcome for each model that was looked at. A survey that is asked for while one runs is that one.</summary>
    public async Task<LineOutcome[]> RunAsync(CancellationToken cancellationToken)
    {
        Task<IReadOnlyList<ModelKey>> survey;
        lock (_lock)
        {
            // Shared: whoever gives up waiting does not stop it.
            survey = _survey = _survey.IsCompleted ? SurveyAsync(_catalog.Current.Models) : _survey;
        }

        var due = await survey.WaitAsync(cancellationToken);
        return await Task.WhenAll(due.Select(async key =>
        {
            // The survey listed the store a moment ago.
            var outcome = await LookAsync(key, fresh: false, cancellationToken);
            // 4
            _follower.Follow(key);
            return outcome;
        }));
    }

    public void Dispose()
    {
        _follower.Dispose();
        _looks.Dispose();
    }

    private async Task<IReadOnlyList<ModelKey>> SurveyAsync(IReadOnlyList<CachedModel> models)
    {
        await Task.Yield();
        var due = new ConcurrentBag<ModelKey>();
        await Parallel.ForEachAsync(Listed(models), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (one, cancellationToken) =>
        {
            // 2
            if (!await QuietAsync(one.Observer, one.Model, cancellationToken))
            {
                due.Add(one.Model.Key());
            }
            else if (NextLookLoop.OnItsWay(one.Model.Status))
            {
                // 4
                _follower.Follow(one.Model.Key());
            }
        });
        return [.. due];
    }

    /// <summary>Taken one by one: when the last of a hundred is done, nobody has their lists any more; and one whose store hangs does not keep the next hundred waiting.</summary>
    private IEnumerable<(ModelObserver Observer, CachedModel Model)> Listed(IReadOnlyList<CachedModel> models)
    {
        ClusterListing? listing = null;
        foreach (var some in models.OrderBy(m => m.Metadata.Namespace, StringComparer.Ordinal).Chunk(ToAList))
        {
            // 1
            listing = new(_api, some, before: listing);
            var observer = new ModelObserver(listing, _uploads, _catalog);
            foreach (var model in some)
            {
                yield return (observer, model);
            }
        }
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
            var plan = LinePlanner.Settle(observed, _time.GetUtcNow());
            return plan.Actions.Count == 0 && observed.Uploads?.Failure is not { Transient: true } && LinePlanner.Same(model.Status, plan.Status);
        }
        catch (Exception e) when (e is KubeApiException or HttpRequestException or IOException or JsonException)
        {
            // Its own look says what is wrong, where its owner sees it.
            Log.PassDeferred(_logger, model.Key(), e.Message);
            return false;
        }
    }

    private async Task<LineOutcome> LookAsync(ModelKey key, bool fresh, CancellationToken cancellationToken)
    {
        // 3
        await _looks.WaitAsync(cancellationToken);
        try
        {
            return await _line.AdvanceAsync(key, null, fresh, cancellationToken);
        }
        finally
        {
            _looks.Release();
        }
    }
}
