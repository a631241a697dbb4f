using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Prewarm.Functions.Catalog;
using Prewarm.Functions.Kubernetes;
using Prewarm.Functions.Rollout;
using Prewarm.Functions.Warm;

namespace Prewarm.Functions.Scale;

/// <summary>
/// Follows what decides a model's serving state: PodAutoscalers, Fluid's objects, the nodes' labels and, where activations are judged, the pods; and the catalog.
/// A kind that is missing or may not be read is said once, and its place stays unseen until that changes.
/// </summary>
internal sealed class ScaleWatch(
    IKubeApi api, ICatalog catalog, ScaleBoard board, IOptions<CatalogOptions> options, IOptions<ScaleOptions> scale, TimeProvider time, ILogger<ScaleWatch> logger,
    IActivations? activations = null, IHostApplicationLifetime? lifetime = null)
    : BackgroundService
{
    private const string Ours = "app.kubernetes.io/managed-by=prewarm";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ServerStart.WaitAsync(lifetime, stoppingToken);
        List<Task> loops = [ModelsAsync(stoppingToken), FollowAsync(CoreKinds.Nodes, null, null, (_, d) => board.Take(d), stoppingToken)];
        foreach (var ns in Scopes)
        {
            // Adopted Datasets carry no label of ours.
            loops.Add(FollowAsync(FluidKinds.Datasets, ns, null, board.Take, stoppingToken));
            loops.Add(FollowAsync(FluidKinds.JindoRuntimes, ns, null, board.Take, stoppingToken));
            loops.Add(FollowAsync(ScaleKinds.PodAutoscalers, ns, ServingKinds.ServiceLabel, TakeAutoscaler, stoppingToken));
            loops.Add(FollowAsync(FluidKinds.DataLoads, ns, Ours, board.Take, stoppingToken));
            if (scale.Value.Activations)
            {
                loops.Add(FollowAsync(CoreKinds.Pods, ns, ServingKinds.ServiceLabel, TakePods, stoppingToken));
                loops.Add(FollowAsync(CoreKinds.Pods, ns, "role=jindofs-worker", board.TakeWorkers, stoppingToken));
            }
        }

        await Task.WhenAll(loops);
    }

    private IReadOnlyList<string?> Scopes => options.Value.Namespaces is { Count: > 0 } some ? [.. some] : [null];

    private void TakeAutoscaler(string? scope, Delta<PodAutoscaler> delta)
    {
        board.Take(scope, delta);
        activations?.Saw(delta);
    }

    private void TakePods(string? scope, Delta<Pod> delta)
    {
        board.Take(scope, delta);
        activations?.Saw(delta);
    }

    private async Task ModelsAsync(CancellationToken stopping)
    {
        try
        {
            var known = 0;
            while (true)
            {
                var next = catalog.NextChange;
                var models = catalog.Current.Models;
                board.Take(models);
                if (models.Count > known)
                {
                    // A wake that was seen before its model was nobody's.
                    activations?.Saw(new Delta<PodAutoscaler>.Replace(board.Autoscalers()));
                }

                known = models.Count;
                await next.WaitAsync(stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    private async Task FollowAsync<T>(ResourceType<T> type, string? ns, string? selector, Action<string?, Delta<T>> take, CancellationToken stopping)
        where T : class
    {
        var said = new OncePerFailure(logger);
        try
        {
            await foreach (var delta in new Reflector<T>(api, type, ns, selector, time, new Random(), logger: said).RunAsync(stopping))
            {
                said.Works();
                take(ns, delta);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    /// <summary>Passes the first warning on, and the next one only after it has worked again.</summary>
    private sealed class OncePerFailure(ILogger inner) : ILogger
    {
        private bool _failing;

        public void Works() => _failing = false;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel) && (!_failing || logLevel < LogLevel.Warning);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!_failing || logLevel < LogLevel.Warning)
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
            }

            _failing |= logLevel >= LogLevel.Warning;
        }
    }
}
