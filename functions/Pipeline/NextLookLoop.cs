using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Wakes at the time that a model's status names, because then time alone may change the verdict; and looks at models nobody has looked at yet.
/// A look that takes long (a golden prediction from a cold start) holds up no other model's.
/// </summary>
internal sealed class NextLookLoop(ICatalog catalog, IModelLine line, TimeProvider time, ILogger<NextLookLoop> logger) : BackgroundService
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>A look that left its model as due as before (its writes are refused, say) is not repeated sooner.</summary>
    private static readonly TimeSpan Unmoved = TimeSpan.FromSeconds(30);

    private readonly Dictionary<ModelKey, Look> _looks = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await catalog.Synced.WaitAsync(stoppingToken);
            while (!stoppingToken.IsCancellationRequested)
            {
                var change = catalog.NextChange;
                var wait = Tick(stoppingToken);
                using var awake = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                await Task.WhenAny([change, Task.Delay(wait, time, awake.Token), .. _looks.Values.Where(l => l.Again is null).Select(l => l.Run)]);
                await awake.CancelAsync();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends; the status says where the next one goes on.
        }
    }

    /// <summary>Starts the looks that are due; returns how long nothing else is.</summary>
    internal TimeSpan Tick(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        foreach (var look in _looks.Values.Where(l => l.Again is null && l.Run.IsCompleted))
        {
            Finish(look, now);
        }

        var snapshot = catalog.Current;
        foreach (var gone in _looks.Keys.Where(k => !snapshot.ByKey.ContainsKey(k)).ToArray())
        {
            _looks.Remove(gone);
        }

        var wait = Longest;
        foreach (var model in snapshot.Models)
        {
            var before = _looks.GetValueOrDefault(model.Key());
            if (before is { Again: null } || Due(model, now) is not { } at)
            {
                continue;
            }

            if (before?.ResourceVersion == model.Metadata.ResourceVersion && before?.Again > at)
            {
                at = before.Again.Value;
            }

            if (at <= now)
            {
                _looks[model.Key()] = new(model.Key(), model.Metadata.ResourceVersion, line.AdvanceAsync(model.Key(), cancellationToken), before?.Failures ?? 0);
            }
            else if (at - now < wait)
            {
                wait = at - now;
            }
        }

        return wait;
    }

    /// <summary>When the model is to be looked at: now when nobody has seen this generation, else the time in its status.</summary>
    private static DateTimeOffset? Due(CachedModel model, DateTimeOffset now) =>
        model.Status is null || model.Status.ObservedGeneration != model.Metadata.Generation || model.Metadata.DeletionTimestamp is not null
            ? now
            : model.Status.NextLook;

    private void Finish(Look look, DateTimeOffset now)
    {
        if (look.Run.Exception?.GetBaseException() is { } bug)
        {
            Log.LookFailed(logger, look.Model, bug);
        }

        var failed = !look.Run.IsCompletedSuccessfully || look.Run.Result == LineOutcome.Transient;
        look.Failures = failed ? look.Failures + 1 : 0;
        look.Again = now + (failed ? TimeSpan.FromSeconds(Math.Min(Longest.TotalSeconds, Math.Pow(2, Math.Min(look.Failures, 10)))) : Unmoved);
    }

    private sealed class Look(ModelKey model, string? resourceVersion, Task<LineOutcome> run, int failures)
    {
        public ModelKey Model { get; } = model;
        public string? ResourceVersion { get; } = resourceVersion;
        public Task<LineOutcome> Run { get; } = run;

        /// <summary>Failed looks in a row.</summary>
        public int Failures { get; set; } = failures;

        /// <summary>Not before, unless the model has changed; null while the look runs.</summary>
        public DateTimeOffset? Again { get; set; }
    }
}
