using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prewarm.Functions.Catalog;

namespace Prewarm.Functions.Pipeline;

/// <summary>
/// Wakes at the time that a model's status names, because then time alone may change the verdict; looks at models nobody has looked at yet;
/// and looks now and then at models that are on their way, or wait for an open multipart upload, because the events about these may be lost or not set up
/// (Knative's ApiServerSource tries 5 times and replays nothing). A look that takes long (a golden prediction from a cold start) holds up no other model's.
/// </summary>
internal sealed class NextLookLoop(ICatalog catalog, IModelLine line, TimeProvider time, ILogger<NextLookLoop> logger) : BackgroundService
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>Between two looks at a model on its way: this after one that moved it, and half as much again after each that did not, up to the longest.</summary>
    internal static readonly TimeSpan ShortestUnmoved = TimeSpan.FromSeconds(2);
    internal static readonly TimeSpan LongestUnmoved = TimeSpan.FromSeconds(30);

    /// <summary>The same while open multipart uploads are waited for: no event tells that one was aborted.</summary>
    internal static readonly TimeSpan LongestOpen = TimeSpan.FromSeconds(10);

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
            var due = Due(model, now, before);
            if (before is { Again: null } || Earlier(due, OnItsWay(model, now, before)) is not { } at)
            {
                continue;
            }

            if (at <= now)
            {
                // Only time passed asks for another listing: one too many holds up the look of the event that completes the upload. A model that nobody seems to have seen may
                // have been seen a moment ago, because the catalog is a little late.
                var fresh = Seen(model) && model.Status!.NextLook <= now;
                _looks[model.Key()] = new(model.Key(), model.Metadata.ResourceVersion, line.AdvanceAsync(model.Key(), null, fresh, cancellationToken), before?.Failures ?? 0)
                {
                    Unmoved = before?.ResourceVersion == model.Metadata.ResourceVersion ? before!.Unmoved + 1 : 0,
                    Longest = WaitsForOpenUploads(model.Status) ? LongestOpen : LongestUnmoved,
                };
            }
            else if (at - now < wait)
            {
                wait = at - now;
            }
        }

        return wait;
    }

    /// <summary>When the model itself asks to be looked at: now when nobody has seen this generation, else the time in its status. Unchanged since its look, it waits.</summary>
    private static DateTimeOffset? Due(CachedModel model, DateTimeOffset now, Look? before)
    {
        var at = Seen(model) && model.Metadata.DeletionTimestamp is null ? model.Status!.NextLook : now;
        return before?.ResourceVersion == model.Metadata.ResourceVersion && before?.Again > at ? before.Again : at;
    }

    /// <summary>Somebody has looked at it with this spec.</summary>
    private static bool Seen(CachedModel model) => model.Status is not null && model.Status.ObservedGeneration == model.Metadata.Generation;

    /// <summary>When the model may have moved without a word: while its objects come, go or are not ready.</summary>
    private static DateTimeOffset? OnItsWay(CachedModel model, DateTimeOffset now, Look? before) =>
        !OnItsWay(model.Status)
            ? null
            : before is null ? now
            : before.ResourceVersion == model.Metadata.ResourceVersion ? before.Again
            : before.FinishedAt + ShortestUnmoved;

    /// <summary>Its objects come, go or are not ready, or an open upload is waited for.</summary>
    internal static bool OnItsWay(CachedModelStatus? status) =>
        status?.Phase is "Warming" or "RollingOut" or "Deleting" || WaitsForOpenUploads(status)
        || (status?.Phase == "Serving" && status.Conditions?.Find(c => c.Type == "Ready")?.Status != "True");

    private static bool WaitsForOpenUploads(CachedModelStatus? status) => status?.Conditions?.Exists(c => c is { Type: "UploadComplete", Reason: "MultipartOpen" }) == true;

    private static DateTimeOffset? Earlier(DateTimeOffset? a, DateTimeOffset? b) => a < b || b is null ? a : b;

    private void Finish(Look look, DateTimeOffset now)
    {
        if (look.Run.Exception?.GetBaseException() is { } bug)
        {
            Log.LookFailed(logger, look.Model, bug);
        }

        var failed = !look.Run.IsCompletedSuccessfully || look.Run.Result == LineOutcome.Transient;
        look.Failures = failed ? look.Failures + 1 : 0;
        look.FinishedAt = now;
        look.Again = now + (failed
            ? TimeSpan.FromSeconds(Math.Min(Longest.TotalSeconds, Math.Pow(2, Math.Min(look.Failures, 10))))
            : TimeSpan.FromSeconds(Math.Min(look.Longest.TotalSeconds, ShortestUnmoved.TotalSeconds * Math.Pow(1.5, Math.Min(look.Unmoved, 20)))));
    }

    private sealed class Look(ModelKey model, string? resourceVersion, Task<LineOutcome> run, int failures)
    {
        public ModelKey Model { get; } = model;
        public string? ResourceVersion { get; } = resourceVersion;
        public Task<LineOutcome> Run { get; } = run;

        /// <summary>Failed looks in a row.</summary>
        public int Failures { get; set; } = failures;

        /// <summary>Looks in a row, this one included, that found the model as the one before had left it.</summary>
        public int Unmoved { get; init; }

        /// <summary>The longest pause after it while the model does not move.</summary>
        public TimeSpan Longest { get; init; } = LongestUnmoved;
        public DateTimeOffset? FinishedAt { get; set; }

        /// <summary>Not before, unless the model has changed; null while the look runs.</summary>
        public DateTimeOffset? Again { get; set; }
    }
}
